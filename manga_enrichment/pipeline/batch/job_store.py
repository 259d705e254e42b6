"""What is on record of batch jobs: facts under `batch/<token>/`, each put once and never changed.

    job.json         PREPARED: what is asked, for whom, for how much; the titles and the input are written before it
    reserved.json    the money is set aside
    submitted.json   SUBMITTED: Bedrock's id of the job
    settled.json     SETTLED: what came of it; claims and money are returned
    titles.parquet   who is behind each record
    input/, output/  Bedrock's files

A fact that is never changed needs no lock: whoever comes second finds it standing. A listing of names tells the stage.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
from pydantic import TypeAdapter

from manga_enrichment.domain.analyses.base import Candidate, TitleInputs
from manga_enrichment.domain.models.batch_jobs import Stage, record_id
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.gateways.budget import BudgetScope
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.store.object_keys import BATCH_ROOT, batch_key

JOB, RESERVED, SUBMITTED, SETTLED = "job.json", "reserved.json", "submitted.json", "settled.json"
TITLES = "titles.parquet"
COLLECTION_MARGIN = timedelta(hours=12)
"""How long after a job's last hour its titles stay claimed and its money reserved: time to collect."""

_TITLES_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("fingerprint", pa.string()),
        ("manga_id", pa.string()),
        ("bucket", pa.string()),
        ("inputs", pa.string()),
        ("why", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One job as it was meant.

    selected  the assets of the run that asked: they are brought up to date when the answers are there
    """

    token: str
    analysis: str
    prompt_version: str
    model_id: str
    records: int
    buckets: tuple[str, ...]
    selected: tuple[str, ...]
    provenance: Provenance
    scopes: tuple[BudgetScope, ...]
    reserve_micro_usd: int
    timeout_hours: int
    prepared_at: datetime

    @property
    def owner(self) -> str:
        """Who holds the claims, and who spends."""
        return f"batch:{self.token}"

    @property
    def name(self) -> str:
        """Bedrock's jobName: at most 63 characters."""
        return f"manga-batch-{self.token[:32]}"

    @property
    def input_key(self) -> str:
        return batch_key(self.token, "input/records.jsonl")

    @property
    def output_prefix(self) -> str:
        return batch_key(self.token, "output/")

    def held_until(self, now: datetime) -> datetime:
        """When claims and reservation run out if nobody collects."""
        return now + timedelta(hours=self.timeout_hours) + COLLECTION_MARGIN


@dataclass(frozen=True, slots=True)
class Submission:
    """Bedrock's id of a job, and when we had it."""

    job_id: str
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a job ended. status: Bedrock's last word, or why it was given up. answered: entries now in the ledger."""

    status: str
    settled_at: datetime
    message: str = ""
    answered: int = 0
    cost_micro_usd: int = 0
    records: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchTitle:
    """The title behind a record, with all that its answer must be checked against."""

    fingerprint: str
    manga_id: str
    bucket: str
    inputs: TitleInputs
    why: str = ""


_JOB = TypeAdapter(BatchJob)
_SUBMISSION = TypeAdapter(Submission)
_SETTLEMENT = TypeAdapter(Settlement)


class BatchStore:
    """The facts, over a ObjectStore."""

    def __init__(self, tables: ObjectStore) -> None:
        self._tables = tables

    def stages(self) -> dict[str, Stage]:
        """token -> stage of every job on record; files without a `job.json` are of a killed run and count as none."""
        names: dict[str, set[str]] = defaultdict(set)
        for key in self._tables.list_keys(f"{BATCH_ROOT}/"):
            token, _, name = key.removeprefix(f"{BATCH_ROOT}/").partition("/")
            names[token].add(name)
        return {token: _stage(facts) for token, facts in sorted(names.items()) if JOB in facts}

    def pending(self, buckets: Sequence[str]) -> frozenset[str]:
        """Fingerprints of these buckets that an unsettled job asks for."""
        found: set[str] = set()
        for token, stage in self.stages().items():
            if stage is not Stage.SETTLED and not set(buckets).isdisjoint(self.job(token).buckets):
                table = self._titles_table(token, ["fingerprint", "bucket"])
                found.update(row["fingerprint"] for row in table.to_pylist() if row["bucket"] in buckets)
        return frozenset(found)

    def is_settled(self, token: str) -> bool:
        return self._tables.read_json(batch_key(token, SETTLED)) is not None

    def job(self, token: str) -> BatchJob:
        """Raises LookupError when there is none."""
        return _JOB.validate_python(self._fact(token, JOB))

    def submission(self, token: str) -> Submission:
        """Raises LookupError when there is none."""
        return _SUBMISSION.validate_python(self._fact(token, SUBMITTED))

    def settlement(self, token: str) -> Settlement:
        """Raises LookupError when there is none."""
        return _SETTLEMENT.validate_python(self._fact(token, SETTLED))

    def is_reserved(self, token: str) -> bool:
        return self._tables.read_json(batch_key(token, RESERVED)) is not None

    def put_job(self, job: BatchJob) -> None:
        self._put(job.token, JOB, asdict(job))

    def put_reserved(self, token: str) -> None:
        self._put(token, RESERVED, {})

    def put_submission(self, token: str, submission: Submission) -> None:
        self._put(token, SUBMITTED, asdict(submission))

    def put_settlement(self, token: str, settlement: Settlement) -> None:
        self._put(token, SETTLED, asdict(settlement))

    def put_titles(self, token: str, calls: Iterable[Call]) -> None:
        rows = [
            {
                "record_id": record_id(call.fingerprint),
                "fingerprint": call.fingerprint,
                "manga_id": call.manga_id,
                "bucket": call.bucket,
                "inputs": orjson.dumps(asdict(call.inputs)).decode(),
                "why": call.why,
            }
            for call in calls
        ]
        self._tables.write(batch_key(token, TITLES), pa.Table.from_pylist(rows, schema=_TITLES_SCHEMA))

    def titles(self, token: str) -> dict[str, BatchTitle]:
        """Record id -> title. Raises LookupError when there are none."""
        return {row["record_id"]: _title(row) for row in self._titles_table(token).to_pylist()}

    def fingerprints(self, token: str) -> list[str]:
        found: list[str] = self._titles_table(token, ["fingerprint"]).column("fingerprint").to_pylist()
        return found

    def _titles_table(self, token: str, columns: Sequence[str] | None = None) -> pa.Table:
        stored = self._tables.read(batch_key(token, TITLES), columns)
        if stored is None:
            raise LookupError(f"batch job {token} has no {TITLES}")
        return stored.table

    def _fact(self, token: str, name: str) -> dict[str, Any]:
        found = self._tables.read_json(batch_key(token, name))
        if found is None:
            raise LookupError(f"batch job {token} has no {name}")
        return found

    def _put(self, token: str, name: str, document: Mapping[str, Any]) -> None:
        """Whoever is second has nothing to add: the fact that stands is the same, or was first."""
        try:
            self._tables.write_json(batch_key(token, name), orjson.loads(orjson.dumps(document)), new=True)
        except WriteConflictError:
            return


def _stage(facts: set[str]) -> Stage:
    if SETTLED in facts:
        return Stage.SETTLED
    return Stage.SUBMITTED if SUBMITTED in facts else Stage.PREPARED


def _title(row: Mapping[str, Any]) -> BatchTitle:
    inputs = orjson.loads(row["inputs"])
    candidates = tuple(Candidate(**candidate) for candidate in inputs.pop("candidates"))
    told = TitleInputs(**inputs, candidates=candidates)
    return BatchTitle(row["fingerprint"], row["manga_id"], row["bucket"], told, row.get("why") or "")
