"""Assets of the catalog: the imported titles, and the candidate lists drawn from all of them.

Belongs here: what Dagster knows of them. Stays out: importing (`pipeline/catalog/refresh.py`), searching
(`pipeline/candidates/pairs.py`).
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import dagster as dg

from manga_enrichment.defs.catalog.changes import following
from manga_enrichment.defs.catalog.plausibility import PLAUSIBLE, plausible_check, refused_check
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.metadata import ROW_COUNT
from manga_enrichment.defs.shared.names import CANDIDATES, CATALOG, OWNERS
from manga_enrichment.defs.shared.policies import (
    CATALOG_POOL,
    OP_RETRY_POLICY,
    configuration_errors_are_final,
    final_failure,
)
from manga_enrichment.defs.shared.tables import ALL_ROWS, columns_shown, preview_of
from manga_enrichment.domain.catalog.columns import CATALOG_COLUMNS
from manga_enrichment.domain.prompts.candidates import CANDIDATE_COLUMNS
from manga_enrichment.gateways.catalog_source import CatalogSource
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.refresh import CandidateReport, refresh_candidates
from manga_enrichment.pipeline.candidates.shared import SharedIndex
from manga_enrichment.pipeline.catalog.files.rows import Reading
from manga_enrichment.pipeline.catalog.plausibility import ImplausibleCatalogError, PlausibleLimits
from manga_enrichment.pipeline.catalog.refresh import CatalogState, load_state, refresh_catalog
from manga_enrichment.pipeline.catalog.source_files import load_mapping
from manga_enrichment.pipeline.enrichment.previews import some_candidates, some_titles
from manga_enrichment.pipeline.store.object_keys import rejects_key, table_key, warnings_key
from manga_enrichment.runtime.garbage import rare_collections
from manga_enrichment.settings import Settings

GROUP = "catalog"


def build_manga_catalog(inputs: DefinitionInputs) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=CATALOG,
        specs=[_catalog_spec(inputs)],
        check_specs=[PLAUSIBLE],
        backfill_policy=inputs.backfill_policy,
        pool=CATALOG_POOL,
        retry_policy=OP_RETRY_POLICY,
    )
    def manga_catalog(
        context: dg.AssetExecutionContext,
        tables: dg.ResourceParam[ObjectStore],
        catalog_source: dg.ResourceParam[CatalogSource],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
        with configuration_errors_are_final(), rare_collections():
            try:
                state, imported = refresh_catalog(
                    tables=tables,
                    source=catalog_source,
                    clock=clock,
                    say=context.log.info,
                    following=following(context, tables, inputs),
                    analyses=inputs.analyses.values(),
                    **_how(inputs.settings),
                )
            except ImplausibleCatalogError as refused:
                yield refused_check(refused)
                raise
        _add_metadata(context, state, tables, imported=imported)
        yield dg.MaterializeResult(asset_key=CATALOG)
        yield plausible_check(state)

    return manga_catalog


def _add_metadata(
    context: dg.AssetExecutionContext, state: CatalogState, tables: ObjectStore, *, imported: bool
) -> None:
    for bucket in context.partition_keys:
        metadata = _catalog_metadata(state, bucket, tables, imported=imported)
        context.add_asset_metadata(metadata, asset_key=dg.AssetKey(CATALOG), partition_key=bucket)


def _how(settings: Settings) -> dict[str, Any]:
    mapping = load_mapping(settings.catalog_mapping, settings.catalog_preset)
    return {
        "reading": Reading(mapping, settings.catalog_encoding, settings.catalog_delimiter),
        "bucket_count": settings.catalog_buckets,
        "plausible": PlausibleLimits(settings.catalog_max_rejected, settings.catalog_max_lost),
    }


def _catalog_spec(inputs: DefinitionInputs) -> dg.AssetSpec:
    return dg.AssetSpec(
        CATALOG,
        partitions_def=inputs.partitions,
        group_name=GROUP,
        description="The store's titles, cleaned and split into buckets by a stable hash of manga_id. One pass over "
        "the source writes all buckets; a source that has not changed is not read again.",
        kinds={"parquet", "s3"},
        owners=OWNERS,
        metadata={"source": inputs.settings.catalog_uri, **columns_shown(CATALOG_COLUMNS)},
    )


def _catalog_metadata(state: CatalogState, bucket: str, tables: ObjectStore, *, imported: bool) -> dict[str, Any]:
    return {
        ROW_COUNT: state.bucket_titles[bucket],
        ALL_ROWS: state.titles,
        **preview_of(some_titles(tables, bucket)),
        "catalog_titles": state.titles,
        "catalog_rejects": sum(state.rejected.values()),
        "imported": imported,
        "digest": state.digests[bucket],
        "uri": tables.uri(table_key("catalog", bucket)),
        "rejects_uri": tables.uri(rejects_key()),
        "warnings_uri": tables.uri(warnings_key()),
        **{f"rejected_{reason}": count for reason, count in state.rejected.items()},
        **{f"warning_{kind}": count for kind, count in state.warnings.items()},
    }


def build_similar_candidates(inputs: DefinitionInputs) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=CANDIDATES,
        specs=[_candidates_spec(inputs)],
        backfill_policy=inputs.backfill_policy,
        retry_policy=OP_RETRY_POLICY,
    )
    def similar_candidates(
        context: dg.AssetExecutionContext, tables: dg.ResourceParam[ObjectStore], clock: dg.ResourceParam[Clock]
    ) -> None:
        with configuration_errors_are_final():
            reports, titles = _refreshed(context, inputs, tables, clock)
        for report in reports:
            metadata = {
                ROW_COUNT: report.titles,
                ALL_ROWS: titles,
                **preview_of(some_candidates(tables, report.bucket)),
                "with_candidates": report.with_candidates,
                "changed": report.changed,
                "waiting": report.waiting,
                "uri": report.uri,
            }
            context.add_asset_metadata(metadata, asset_key=dg.AssetKey(CANDIDATES), partition_key=report.bucket)

    return similar_candidates


def _refreshed(
    context: dg.AssetExecutionContext, inputs: DefinitionInputs, tables: ObjectStore, clock: Clock
) -> tuple[list[CandidateReport], int]:
    """And how many titles the catalog has, each of which has a list."""
    state = load_state(tables, inputs.settings.catalog_buckets)
    if state is None:
        raise final_failure("There is no catalog yet: materialize manga_catalog first")
    shared = SharedIndex(
        tables,
        inputs.buckets,
        clock,
        holder=context.run.run_id,
        full_after=inputs.settings.candidates_full_after,
        say=context.log.info,
    )
    reports = refresh_candidates(
        tables=tables,
        buckets=context.partition_keys,
        catalog_version=state.catalog_version,
        index=cache(lambda: shared.get(state.catalog_version)),
        today=clock.now().date(),
        share=inputs.settings.candidates_refresh,
        say=context.log.info,
    )
    return reports, state.titles


def _candidates_spec(inputs: DefinitionInputs) -> dg.AssetSpec:
    return dg.AssetSpec(
        CANDIDATES,
        deps=[dg.AssetDep(CATALOG, partition_mapping=dg.AllPartitionMapping())],
        partitions_def=inputs.partitions,
        group_name=GROUP,
        description="For every title the titles a model may name as similar, found by search over the whole catalog. A "
        "list stays as it is until a good part of it changes, since a changed list means asking and paying again.",
        kinds={"parquet", "s3", "scipy"},
        owners=OWNERS,
        metadata=columns_shown(CANDIDATE_COLUMNS),
    )
