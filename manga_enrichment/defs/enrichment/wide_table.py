"""`enriched_catalog`: what analysts read."""

from collections.abc import Sequence

import dagster as dg

from manga_enrichment.defs.enrichment.assets import GROUP, OWNERS
from manga_enrichment.defs.enrichment.ops import configuration_errors_are_final
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY
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
        deps=["manga_catalog", *(analysis.name for analysis in analyses)],
        partitions_def=partitions,
        group_name=GROUP,
        description="One wide row per title: the catalog's columns beside those of every analysis.",
        kinds={"parquet", "s3"},
        owners=OWNERS,
    )

    @dg.multi_asset(name=TABLE, specs=[spec], backfill_policy=backfill_policy, retry_policy=OP_RETRY_POLICY)
    def enriched_catalog(context: dg.AssetExecutionContext, tables: dg.ResourceParam[ObjectStore]) -> None:
        for bucket in context.partition_keys:
            with configuration_errors_are_final():
                report = write_enriched(tables, bucket, analyses)
            metadata = {"dagster/row_count": report.rows, "uri": report.uri}
            metadata |= {f"with_{name}": count for name, count in report.answered.items()}
            context.add_asset_metadata(metadata, asset_key=dg.AssetKey(TABLE), partition_key=bucket)

    return enriched_catalog
