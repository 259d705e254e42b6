"""Today's answers about the titles of a sample: from the tables and the ledger.

Belongs here: reading them, and what they cost. Stays out: comparing (`judging.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.gateways.ledger import EntryReader
from manga_enrichment.gateways.objects import TableReader
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment.pipeline.trials.drawing import Title


@dataclass(slots=True)
class TodaysAnswers:
    """rows: by manga_id, the columns of all parts. micro_usd: what a title's answers cost; a part of a combined call
    bears its share of it. entries: that the rows are of, each once."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    micro_usd: dict[str, float] = field(default_factory=dict)
    entries: list[LedgerEntry] = field(default_factory=list)


def todays_answers(
    tables: TableReader, ledger: EntryReader, parts: Sequence[AnalysisType], titles: Mapping[str, Title]
) -> TodaysAnswers:
    """parts: the analyses whose tables are read."""
    found = TodaysAnswers()
    stored = [(part, row) for part in parts for row in _rows(tables, part.name, titles)]
    entries = ledger.get_many(sorted({row["fingerprint"] for _, row in stored}))
    found.entries = list(entries.values())
    for part, row in stored:
        manga_id = row["manga_id"]
        names = [column.name for column in part.columns]
        found.rows.setdefault(manga_id, {}).update({name: row[name] for name in names})
        entry = entries.get(row["fingerprint"])
        if entry is not None:
            share = entry.cost_micro_usd / (1 if entry.analysis == part.name else max(1, len(entry.answer or {})))
            found.micro_usd[manga_id] = found.micro_usd.get(manga_id, 0.0) + share
    return found


def _rows(tables: TableReader, analysis: str, titles: Mapping[str, Title]) -> Iterator[dict[str, Any]]:
    wanted = pa.array(sorted(titles), pa.string())
    for bucket in sorted({title.bucket for title in titles.values()}):
        stored = tables.read(table_key(analysis, bucket))
        if stored is not None:
            yield from stored.table.filter(pc.is_in(stored.table.column("manga_id"), value_set=wanted)).to_pylist()
