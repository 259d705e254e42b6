"""A run's plan on disk: one small Parquet file per bucket, so that ops hand on pointers, not titles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.enrichment.planner import Action, Planned
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
    ]
)


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One planned title as read back."""

    manga_id: str
    analysis: str
    action: Action
    fills: tuple[str, ...]
    fingerprint: str
    reason: str
    input_tokens: int
    output_tokens: int
    estimated_micro_usd: int


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
        )
        for item in planned
    ]


def write_plan(tables: ObjectStore, run_id: str, bucket: str, parts: Iterable[Sequence[PlanRow]]) -> None:
    """Rows as they come, in the catalog's order."""
    columns = ({name: [_plain(getattr(row, name)) for row in rows] for name in PLAN_SCHEMA.names} for rows in parts)
    found = (pa.table(each, schema=PLAN_SCHEMA) for each in columns)
    tables.write(plan_key(run_id, bucket), reader_of(found, PLAN_SCHEMA))


def read_plan(tables: ObjectStore, run_id: str, bucket: str, analyses: Sequence[str]) -> list[PlanRow]:
    """Rows of these analyses, in the catalog's order. Raises LookupError when the run has no plan for the bucket."""
    stored = tables.read(plan_key(run_id, bucket))
    if stored is None:
        raise LookupError(f"run {run_id} has no plan for bucket {bucket}: re-execute it from the plan step")
    own = pc.is_in(stored.table.column("analysis"), value_set=pa.array(list(analyses), pa.string()))
    return [
        PlanRow(**{**row, "action": Action(row["action"]), "fills": tuple(row["fills"])})
        for row in stored.table.filter(own).to_pylist()
    ]


def _plain(value: object) -> object:
    return value.value if isinstance(value, Action) else value
