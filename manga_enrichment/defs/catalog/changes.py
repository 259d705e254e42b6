"""`catalog_changes` and `catalog_tombstones`: what an import changed, and the titles that it left without.

Belongs here: what Dagster knows of them. Stays out: writing them (`pipeline/catalog/sink.py`).
"""

from typing import Any

import dagster as dg

from manga_enrichment.defs.shared.changes import followed_by, log_changes
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.names import CATALOG
from manga_enrichment.domain.tables.changes import CATALOG_CHANGES, CHANGE_COLUMNS, TOMBSTONE_COLUMNS, TOMBSTONES
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.sink import Following
from manga_enrichment.pipeline.changes.replace import ChangeReport
from manga_enrichment.pipeline.store.object_keys import tombstones_key


def build_catalog_changes(inputs: DefinitionInputs, group: str) -> list[dg.AssetSpec]:
    changed = "What imports changed in the catalog, value by value, by UTC day."
    gone = "Titles that left the catalog: when, why, and what was known of them. A title that returns is taken out."
    return [
        followed_by(CATALOG_CHANGES, CATALOG, CHANGE_COLUMNS, group, changed, inputs),
        followed_by(TOMBSTONES, CATALOG, TOMBSTONE_COLUMNS, group, gone, inputs),
    ]


def following(context: dg.AssetExecutionContext, tables: ObjectStore, inputs: DefinitionInputs) -> Following:
    """What an import tells of each bucket becomes materializations."""

    def noted(report: ChangeReport, left: int) -> None:
        log_changes(context, tables, report)
        if left:
            metadata: dict[str, Any] = {"titles_left": left, "uri": tables.uri(tombstones_key(report.bucket))}
            context.log_event(dg.AssetMaterialization(TOMBSTONES, partition=report.bucket, metadata=metadata))

    singles = [name for name, analysis in inputs.analyses.items() if not analysis.parts]
    return Following(context.run.run_id, singles, noted)
