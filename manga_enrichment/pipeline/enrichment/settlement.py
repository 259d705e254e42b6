"""Whether a bucket of an analysis is as it was when every title of it was settled: answered, or with too little text.

Belongs here: the note of that in the outcomes' file. Stays out: what is done about a bucket (`write.py`).

While nothing is planned but titles with too little text, and catalog, answers and these titles are those of the note,
every outcome is as it stands.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.enrichment.bucket_numbers import BucketNumbers
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow
from manga_enrichment.pipeline.enrichment.planner import Action

_NOTE = b"manga.settled"
_SETTLED = {Outcome.SUCCEEDED.value, Outcome.INSUFFICIENT_INPUT.value}


@dataclass(slots=True)
class Written:
    """What a bucket came to. answers: rows of the table; new_rows: of them, those that were not there before."""

    answers: int = 0
    new_rows: int = 0
    numbers: BucketNumbers = field(default_factory=BucketNumbers)
    outcomes: Counter[str] = field(default_factory=Counter)
    error_classes: Counter[str] = field(default_factory=Counter)
    preview: list[dict[str, Any]] = field(default_factory=list)


class Settlement:
    """What the outcomes of a settled bucket follow from, in short. Rows of the plan are added in its order."""

    def __init__(self, analysis: str) -> None:
        self._analysis = analysis
        self._said = hashlib.sha256()

    def add(self, rows: Iterable[PlanRow]) -> None:
        for row in rows:
            if row.action is Action.INSUFFICIENT and self._analysis in row.fills:
                self._said.update(json.dumps([row.manga_id, row.reason]).encode())

    def of(self, catalog_etag: str, answers_etag: str) -> str:
        said = self._said.copy()
        said.update(json.dumps([catalog_etag, answers_etag]).encode())
        return said.hexdigest()


def is_settled(outcomes: Mapping[str, int]) -> bool:
    """outcomes: titles by outcome."""
    return set(outcomes) <= _SETTLED


def note_of(settled: str, written: Written) -> dict[bytes, bytes]:
    """Metadata of the outcomes' file."""
    note = {"settled": settled, "rows": written.answers, "preview": written.preview}
    return {_NOTE: json.dumps(note, ensure_ascii=False, default=str).encode()}


def settled_as(outcomes: pa.Table, settled: str) -> Written | None:
    """What the bucket came to when it was settled so; None where it is not noted or was settled otherwise.

    outcomes: at least the column `outcome`.
    """
    note = json.loads((outcomes.schema.metadata or {}).get(_NOTE, b"{}"))
    if note.get("settled") != settled:
        return None
    found = pc.value_counts(outcomes.column("outcome")).to_pylist()
    counts = Counter({each["values"]: each["counts"] for each in found})
    return Written(answers=note["rows"], outcomes=counts, preview=note["preview"])
