"""Tables that are written along with another: what changed in it, and who left.

Belongs here: their specs, telling Dagster that one has more. Stays out: writing them (`pipeline/changes/`).

No op of their own makes them, as no run could make them without their table: Dagster sees them as external assets,
whose materializations the table's op logs.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.metadata import ROW_COUNT
from manga_enrichment.defs.shared.names import OWNERS
from manga_enrichment.defs.shared.tables import columns_shown, preview_of
from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.changes.replace import ChangeReport
from manga_enrichment.pipeline.enrichment.previews import some_changes, titles_in, titles_of

FOLLOWS_TAG = "follows"
"""Tag with the asset whose rows these are about."""


def followed_by(
    name: str, of: str, columns: Sequence[Column], group: str, description: str, inputs: DefinitionInputs
) -> dg.AssetSpec:
    """A table that is written with the asset `of`, for the same buckets."""
    return dg.AssetSpec(
        name,
        deps=[of],
        partitions_def=inputs.partitions,
        group_name=group,
        description=description,
        kinds={"parquet", "s3"},
        owners=OWNERS,
        tags={FOLLOWS_TAG: of},
        metadata=columns_shown(columns),
    )


def log_changes(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    tables: ObjectStore,
    report: ChangeReport,
    catalog: pq.ParquetFile | None = None,
) -> None:
    """Nothing where nothing changed: the last materialization is the last change. catalog: the bucket's, for titles,
    where it is open."""
    if report.key:
        titles = partial(titles_in, tables, report.bucket) if catalog is None else partial(titles_of, catalog)
        metadata: dict[str, Any] = {
            ROW_COUNT: report.values + report.titles["added"] + report.titles["removed"],
            **{f"titles_{kind}": count for kind, count in report.titles.items()},
            "values_changed": report.values,
            "version": report.version,
            "uri": tables.uri(report.key),
            **preview_of(some_changes(report.some, titles)),
        }
        context.log_event(dg.AssetMaterialization(report.changes, partition=report.bucket, metadata=metadata))
