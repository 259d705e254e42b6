"""A run's plan on disk: one small Parquet file per bucket, so that ops hand on pointers, not titles."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.gateways.objects import ObjectStore, TableOpener
from manga_enrichment.pipeline.enrichment.planner import Action, Planned
from manga_enrichment.pipeline.store.in_order import InOrder, batches_in_order
from manga_enrichment.pipeline.store.object_keys import plan_key
from manga_enrichment.pipeline.store.spool import reader_of

PLAN_SCHEMA = pa.schema(
    [
        ("manga_id", pa.string()),
        ("analysis", pa.string()),
        ("action", pa.string()),
        ("fills", pa.list_(pa.string())),
        ("fingerprint", pa.string()),
        ("reason", pa.string()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("estimated_micro_usd", pa.int64()),
        ("again", pa.int64()),
    ]
)
_COUNTED_AT_ONCE = 65_536
_OF = b"manga.plan_of"
_OF_SOME = b"manga.plan_of_some"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One planned title as read back. again: the number of its question."""

    manga_id: str
    analysis: str
    action: Action
    fills: tuple[str, ...]
    fingerprint: str
    reason: str
    input_tokens: int
    output_tokens: int
    estimated_micro_usd: int
    again: int = 0


def plan_rows(planned: Iterable[Planned]) -> list[PlanRow]:
    return [
        PlanRow(
            item.manga_id,
            item.analysis,
            item.action,
            item.fills,
            item.fingerprint,
            item.reason,
            item.estimate.input_tokens if item.estimate else 0,
            item.estimate.output_tokens if item.estimate else 0,
            item.estimated_micro_usd,
            item.again,
        )
        for item in planned
    ]


def write_plan(
    tables: ObjectStore,
    run_id: str,
    bucket: str,
    parts: Iterable[Sequence[PlanRow]],
    of: Mapping[str, str],
    *,
    is_of_some: bool = False,
) -> None:
    """Rows as they come, in the catalog's order. of: etags of the tables that it is the plan of, by name.

    is_of_some: of the other titles of the bucket it says nothing.
    """
    columns = ({name: [_plain(getattr(row, name)) for row in rows] for name in PLAN_SCHEMA.names} for rows in parts)
    found = (pa.table(each, schema=PLAN_SCHEMA) for each in columns)
    schema = PLAN_SCHEMA.with_metadata({_OF: json.dumps(dict(of)).encode(), **({_OF_SOME: b"1"} if is_of_some else {})})
    tables.write(plan_key(run_id, bucket), reader_of(found, schema))


def open_plan(tables: TableOpener, run_id: str, bucket: str, analyses: Sequence[str]) -> "OpenPlan":
    """Rows of these analyses, in the catalog's order. Raises LookupError when the run has no plan for the bucket."""
    stored = tables.open(plan_key(run_id, bucket))
    if stored is None:
        raise LookupError(f"run {run_id} has no plan for bucket {bucket}: re-execute it from the plan step")
    return OpenPlan(stored.file, analyses)


class OpenPlan:
    """of: etags of the tables that it is the plan of, by name. counts: rows by analysis and action. is_of_some: of the
    other titles of the bucket it says nothing."""

    def __init__(self, file: pq.ParquetFile, analyses: Sequence[str]) -> None:
        self._file = file
        self._own = pa.array(list(analyses), pa.string())
        metadata = file.schema_arrow.metadata or {}
        self.of: Mapping[str, str] = json.loads(metadata.get(_OF, b"{}"))
        self.is_of_some = _OF_SOME in metadata
        self.counts = Counter[tuple[str, Action]]()
        for batch in file.iter_batches(_COUNTED_AT_ONCE, columns=["analysis", "action"], use_threads=False):
            about = pa.Table.from_batches([batch])
            found = about.filter(pc.is_in(about.column("analysis"), value_set=self._own))
            for each in found.group_by(["analysis", "action"]).aggregate([([], "count_all")]).to_pylist():
                self.counts[each["analysis"], Action(each["action"])] += each["count_all"]
        self.rewind()

    @property
    def asked(self) -> Counter[str]:
        """Planned calls by analysis."""
        return Counter({name: count for (name, action), count in self.counts.items() if action is Action.ASK})

    def rewind(self) -> None:
        self._rows = InOrder(self._file)

    def parts(self) -> Iterator[list[PlanRow]]:
        """All rows, some thousand at a time."""
        for part in batches_in_order(self._file):
            yield self._rows_of(part)

    def up_to(self, last: str) -> list[PlanRow]:
        """Those not given yet of titles up to this manga_id."""
        part = self._rows.between("", last)
        return [] if part is None else self._rows_of(part)

    def _rows_of(self, part: pa.Table) -> list[PlanRow]:
        own = part.filter(pc.is_in(part.column("analysis"), value_set=self._own))
        return [
            PlanRow(**{**row, "action": Action(row["action"]), "fills": tuple(row["fills"])}) for row in own.to_pylist()
        ]


def _plain(value: object) -> object:
    return value.value if isinstance(value, Action) else value
