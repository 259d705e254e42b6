"""What version 0.1 left behind, as `make_state.py` packed it: for tests that read it with today's code.

Belongs here: the archive, the names in it, putting it into the local stack. Stays out: what must be read from it
(`test_old_state.py`, `test_old_state_on_stack.py`).
"""

import json
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from manga_enrichment.local.stack.local_stack import LocalStack

ARCHIVE = Path(__file__).with_name("state.tar.xz")
LEDGER, STATUS, BUDGET, OUTBOX = "manga-fm-results", "manga-fm-request-status", "manga-fm-budget", "manga-fm-outbox"
TABLES = (LEDGER, STATUS, BUDGET, OUTBOX)

PARTNER = "acme"
CONVERSATION = {"conversation_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7"}
BATCH, ANSWERED, DEFERRED = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
"""Requests: one of three items, a question, the question after it, which still waits."""
UNANSWERED, KILLED_RUN, KEPT_MICRO_USD = "f" * 64, "killed-run", 5_000
"""The fingerprint that a killed run had claimed, and what it had reserved."""
TITLES, CALLS, COST_MICRO_USD = 24, 30, 6_942


@dataclass(frozen=True, slots=True)
class OldState:
    """objects: by key. items: by table, in DynamoDB's JSON. night: the run that asked. bill: what the model server saw.

    made_at: when the day's work was over; claims and leases of then are over soon after.
    """

    objects: Mapping[str, bytes]
    items: Mapping[str, Sequence[Mapping[str, Any]]]
    catalog: bytes
    night: str
    made_at: datetime
    bill: Mapping[str, Any]

    @property
    def run_date(self) -> str:
        return self.made_at.date().isoformat()

    def document(self, prefix: str) -> tuple[str, Any]:
        """Key and content of the one JSON object below a prefix."""
        [key] = [key for key in self.objects if key.startswith(prefix)]
        return key, json.loads(self.objects[key])

    def load(self, stack: LocalStack) -> None:
        """Into an empty stack. Items live on from now for as long as they had to live, whenever this runs."""
        s3, dynamodb = stack.client("s3"), stack.client("dynamodb")
        for key, body in self.objects.items():
            s3.put_object(Bucket=stack.endpoints.bucket, Key=key, Body=body)
        later = int(time.time() - self.made_at.timestamp())
        for table, items in self.items.items():
            for item in items:
                dynamodb.put_item(TableName=table, Item=_expiring_later(item, later))


def read_old_state() -> OldState:
    with tarfile.open(ARCHIVE, "r:xz") as archive:
        files = {member.name: _content(archive, member) for member in archive.getmembers()}
    story = json.loads(files["story.json"])
    return OldState(
        objects={name.removeprefix("s3/"): body for name, body in files.items() if name.startswith("s3/")},
        items={table: json.loads(files[f"dynamodb/{table}.json"]) for table in TABLES},
        catalog=files["catalog.jsonl"],
        night=story["night"],
        made_at=datetime.fromisoformat(story["made_at"]),
        bill=story["bill"],
    )


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None, f"{member.name} is no file"
    return file.read()


def _expiring_later(item: Mapping[str, Any], seconds: int) -> Mapping[str, Any]:
    if "expires_at" not in item:
        return item
    return {**item, "expires_at": {"N": str(int(item["expires_at"]["N"]) + seconds)}}
