"""Assets of the catalog: the imported titles, and the candidate lists drawn from all of them."""

import dagster as dg

from manga_enrichment.defs.enrichment.ops import configuration_errors_are_final
from manga_enrichment.defs.shared.policies import CATALOG_POOL, OP_RETRY_POLICY
from manga_enrichment.gateways.catalog_source import CatalogSource
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.candidate_refresh import refresh_candidates
from manga_enrichment.pipeline.catalog.refresh import load_state, refresh_catalog
from manga_enrichment.pipeline.catalog.source_files import load_mapping
from manga_enrichment.pipeline.store.object_keys import rejects_key, table_key
from manga_enrichment.settings import Settings

GROUP = "catalog"
OWNERS = ["team:catalog-data"]
CATALOG = "manga_catalog"
CANDIDATES = "similar_candidates"


def build_catalog_assets(
    *, settings: Settings, partitions: dg.StaticPartitionsDefinition, backfill_policy: dg.BackfillPolicy
) -> list[dg.AssetsDefinition]:
    return [
        _manga_catalog(settings, partitions, backfill_policy),
        _similar_candidates(settings, partitions, backfill_policy),
    ]


def _manga_catalog(
    settings: Settings, partitions: dg.StaticPartitionsDefinition, backfill_policy: dg.BackfillPolicy
) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        CATALOG,
        partitions_def=partitions,
        group_name=GROUP,
        description="The store's titles, cleaned and split into buckets by a stable hash of manga_id. One pass over "
        "the source writes all buckets; a source that has not changed is not read again.",
        kinds={"parquet", "s3"},
        owners=OWNERS,
        metadata={"source": settings.catalog_uri},
    )

    @dg.multi_asset(
        name=CATALOG, specs=[spec], backfill_policy=backfill_policy, pool=CATALOG_POOL, retry_policy=OP_RETRY_POLICY
    )
    def manga_catalog(
        context: dg.AssetExecutionContext,
        tables: dg.ResourceParam[ObjectStore],
        catalog_source: dg.ResourceParam[CatalogSource],
        clock: dg.ResourceParam[Clock],
    ) -> None:
        with configuration_errors_are_final():
            state, imported = refresh_catalog(
                tables=tables,
                source=catalog_source,
                clock=clock,
                mapping=load_mapping(settings.catalog_mapping),
                bucket_count=settings.catalog_buckets,
                say=context.log.info,
            )
        for bucket in context.partition_keys:
            context.add_asset_metadata(
                {
                    "dagster/row_count": state.bucket_titles[bucket],
                    "catalog_titles": state.titles,
                    "catalog_rejects": sum(state.rejected.values()),
                    "imported": imported,
                    "digest": state.digests[bucket],
                    "uri": tables.uri(table_key("catalog", bucket)),
                    "rejects_uri": tables.uri(rejects_key()),
                    **{f"rejected_{reason}": count for reason, count in state.rejected.items()},
                    **{f"warning_{kind}": count for kind, count in state.warnings.items()},
                },
                asset_key=dg.AssetKey(CATALOG),
                partition_key=bucket,
            )

    return manga_catalog


def _similar_candidates(
    settings: Settings, partitions: dg.StaticPartitionsDefinition, backfill_policy: dg.BackfillPolicy
) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        CANDIDATES,
        deps=[dg.AssetDep(CATALOG, partition_mapping=dg.AllPartitionMapping())],
        partitions_def=partitions,
        group_name=GROUP,
        description="For every title the titles a model may name as similar, found by search over the whole catalog. A "
        "list stays as it is until a good part of it changes, since a changed list means asking and paying again.",
        kinds={"parquet", "s3", "tantivy"},
        owners=OWNERS,
    )

    @dg.multi_asset(name=CANDIDATES, specs=[spec], backfill_policy=backfill_policy, retry_policy=OP_RETRY_POLICY)
    def similar_candidates(context: dg.AssetExecutionContext, tables: dg.ResourceParam[ObjectStore]) -> None:
        with configuration_errors_are_final():
            state = load_state(tables, settings.catalog_buckets)
            if state is None:
                raise dg.Failure("There is no catalog yet: materialize manga_catalog first", allow_retries=False)
            reports = refresh_candidates(
                tables=tables,
                buckets=context.partition_keys,
                all_buckets=partitions.get_partition_keys(),
                catalog_version=state.catalog_version,
                say=context.log.info,
            )
        for report in reports:
            context.add_asset_metadata(
                {
                    "dagster/row_count": report.titles,
                    "with_candidates": report.with_candidates,
                    "changed": report.changed,
                    "uri": report.uri,
                },
                asset_key=dg.AssetKey(CANDIDATES),
                partition_key=report.bucket,
            )

    return similar_candidates
