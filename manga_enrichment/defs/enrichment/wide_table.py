"""`enriched_catalog`: what analysts read.

Belongs here: the asset. Stays out: its rows (`pipeline/enrichment/wide_table.py`), its checks
(`defs/enrichment/cost_checks.py`).
"""

from collections.abc import Sequence

import dagster as dg

from manga_enrichment.defs.enrichment.assets import GROUP
from manga_enrichment.defs.enrichment.metadata import partition_metadata
from manga_enrichment.defs.shared.changes import followed_by, log_changes
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.metadata import ROW_COUNT
from manga_enrichment.defs.shared.names import CATALOG, OWNERS
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final
from manga_enrichment.defs.shared.tables import ALL_ROWS, columns_shown, preview_of
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.tables.changes import CHANGE_COLUMNS, ENRICHED_CHANGES
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.status import PartitionStatus, StatusStore
from manga_enrichment.pipeline.catalog.refresh import load_state
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.enrichment.previews import some_enriched
from manga_enrichment.pipeline.enrichment.wide_table import TABLE, enriched_columns, write_enriched
from manga_enrichment.runtime.garbage import rare_collections


def build_enriched(inputs: DefinitionInputs) -> dg.AssetsDefinition:
    analyses = list(inputs.analyses.values())
    spec = dg.AssetSpec(
        TABLE,
        deps=[CATALOG, *(analysis.name for analysis in analyses)],
        partitions_def=inputs.partitions,
        group_name=GROUP,
        description="One wide row per title: the catalog's columns beside those of every analysis.",
        kinds={"parquet", "s3"},
        owners=OWNERS,
        metadata=columns_shown(enriched_columns(analyses)),
    )

    @dg.multi_asset(name=TABLE, specs=[spec], backfill_policy=inputs.backfill_policy, retry_policy=OP_RETRY_POLICY)
    def enriched_catalog(
        context: dg.AssetExecutionContext,
        tables: dg.ResourceParam[ObjectStore],
        status: dg.ResourceParam[StatusStore],
        clock: dg.ResourceParam[Clock],
    ) -> None:
        state = load_state(tables, inputs.settings.catalog_buckets)
        all_rows = {} if state is None else {ALL_ROWS: state.titles}
        states = _states(status, analyses, context.partition_keys)
        for bucket in context.partition_keys:
            with configuration_errors_are_final(), rare_collections():
                report = write_enriched(tables, bucket, analyses, Origin(context.run.run_id, clock.now()))
            log_changes(context, tables, report.changes, report.catalog)
            counts = {ROW_COUNT: report.rows, **all_rows, "uri": report.uri, "corrected": report.corrected}
            metadata = {**preview_of(some_enriched(tables, bucket, analyses, report.first)), **counts}
            metadata |= partition_metadata(states.get(bucket, []))
            metadata |= {f"with_{name}": count for name, count in report.answered.items()}
            context.add_asset_metadata(metadata, asset_key=dg.AssetKey(TABLE), partition_key=bucket)

    return enriched_catalog


def build_enriched_changes(inputs: DefinitionInputs) -> dg.AssetSpec:
    return followed_by(
        ENRICHED_CHANGES,
        TABLE,
        CHANGE_COLUMNS,
        GROUP,
        "What changed in the wide table, value by value, by UTC day: for whoever follows it.",
        inputs,
    )


def _states(
    status: StatusStore, analyses: Sequence[AnalysisType], buckets: Sequence[str]
) -> dict[str, list[PartitionStatus]]:
    """By bucket what the status table says; nothing while it does not answer: the table of rows matters more."""
    found: dict[str, list[PartitionStatus]] = {}
    try:
        for analysis in analyses:
            for each in status.partitions(analysis.name, buckets):
                found.setdefault(each.bucket, []).append(each)
    except StoreUnavailableError:
        return {}
    return found
