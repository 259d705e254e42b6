"""`enriched_catalog`: what analysts read."""

from collections.abc import Sequence

import dagster as dg

from manga_enrichment.defs.enrichment.assets import GROUP
from manga_enrichment.defs.shared.metadata import ROW_COUNT
from manga_enrichment.defs.shared.names import CATALOG, OWNERS
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.enrichment.wide_table import TABLE, write_enriched


def build_enriched(
    *,
    analyses: Sequence[AnalysisType],
    partitions: dg.PartitionsDefinition,
    backfill_policy: dg.BackfillPolicy,
) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        TABLE,
        deps=[CATALOG, *(analysis.name for analysis in analyses)],
        partitions_def=partitions,
        group_name=GROUP,
        description="One wide row per title: the catalog's columns beside those of every analysis.",
        kinds={"parquet", "s3"},
        owners=OWNERS,
    )

    @dg.multi_asset(name=TABLE, specs=[spec], backfill_policy=backfill_policy)
    def enriched_catalog(context: dg.AssetExecutionContext, tables: dg.ResourceParam[ObjectStore]) -> None:
        for bucket in context.partition_keys:
            report = write_enriched(tables, bucket, analyses)
            metadata = {ROW_COUNT: report.rows, "uri": report.uri}
            metadata |= {f"with_{name}": count for name, count in report.answered.items()}
            context.add_asset_metadata(metadata, asset_key=dg.AssetKey(TABLE), partition_key=bucket)

    return enriched_catalog
