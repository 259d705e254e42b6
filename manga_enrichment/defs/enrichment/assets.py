"""The enrichment graph: one asset per analysis type, built from the registry.

A shared `plan` sees all that a title lacks, so one `full_enrichment` call can replace several. Each analysis is its own
branch, plan -> invoke -> write: it can be materialized alone, and when it fails the others go on.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from manga_enrichment.defs.enrichment.ops import build_invoke_op, build_plan_op, build_write_op
from manga_enrichment.defs.shared.names import CANDIDATES, CATALOG, OWNERS
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.pipeline.engine.estimates import calls_before_first_answer
from manga_enrichment.pipeline.engine.invocation import InvokeSettings
from manga_enrichment.pipeline.enrichment.submit_batch import BATCH_OFF, BatchSettings

GROUP = "enrichment"


def build_enrichment(
    *,
    analyses: Mapping[str, AnalysisType],
    models: ModelCatalog,
    partitions: dg.PartitionsDefinition,
    backfill_policy: dg.BackfillPolicy,
    invoke_settings: InvokeSettings,
    batch_settings: BatchSettings = BATCH_OFF,
) -> dg.AssetsDefinition:
    """All analyses as one graph-backed multi-asset that can be materialized in part."""
    first_calls = calls_before_first_answer(invoke_settings.engine.concurrency, invoke_settings.requests_per_minute)
    plan_op = build_plan_op(analyses, models, len(partitions.get_partition_keys()), batch_settings, first_calls)
    invoke_ops = {name: build_invoke_op(a, models, invoke_settings, batch_settings) for name, a in analyses.items()}
    write_ops = {name: build_write_op(a, analyses, is_combined=bool(a.parts)) for name, a in analyses.items()}
    combined = {name: [other for other, a in analyses.items() if name in a.parts] for name in analyses}

    @dg.graph_multi_asset(
        name="enrichment",
        group_name=GROUP,
        outs={name: _out(analysis, models) for name, analysis in analyses.items()},
        ins={
            "catalog": dg.AssetIn(key=CATALOG, dagster_type=dg.Nothing),
            "candidates": dg.AssetIn(key=CANDIDATES, dagster_type=dg.Nothing),
        },
        partitions_def=partitions,
        backfill_policy=backfill_policy,
        can_subset=True,
    )
    def enrichment(catalog: Any, candidates: Any) -> dict[str, Any]:
        plan = plan_op(catalog=catalog, candidates=candidates)
        invoked = {name: invoke(plan) for name, invoke in invoke_ops.items()}
        return {
            # A write waits for every call that may fill its table: its own and combined ones.
            name: write(plan, [invoked[source] for source in (name, *combined[name])])
            for name, write in write_ops.items()
        }

    return enrichment


def _out(analysis: AnalysisType, models: ModelCatalog) -> dg.AssetOut:
    model = models.resolve(analysis.model_alias)
    return dg.AssetOut(
        key=analysis.name,
        is_required=False,
        description=analysis.description,
        code_version=analysis.version,
        kinds={"bedrock", "parquet", "s3"},
        owners=OWNERS,
        tags={"analysis": analysis.name},
        metadata={"model_id": model.model_id, "prompt_version": analysis.version, "max_tokens": analysis.max_tokens},
    )
