"""The enrichment graph: one asset per analysis type, built from the registry.

A shared `plan` sees all that a title lacks, so one `full_enrichment` call can replace several. Each analysis is its own
branch, plan -> invoke -> write: it can be materialized alone, and when it fails the others go on.

Belongs here: how ops hang together, what an asset says of itself. Stays out: the ops (`defs/enrichment/ops.py`,
`defs/enrichment/invoke_op.py`).
"""

from typing import Any

import dagster as dg

from manga_enrichment.defs.enrichment.invoke_op import build_invoke_op
from manga_enrichment.defs.enrichment.ops import build_plan_op, build_write_op
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.names import CANDIDATES, CATALOG, OWNERS
from manga_enrichment.defs.shared.tables import columns_shown
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog

GROUP = "enrichment"


def build_analyses(inputs: DefinitionInputs) -> dg.AssetsDefinition:
    """All analyses as one graph-backed multi-asset that can be materialized in part."""
    analyses = inputs.analyses
    plan_op = build_plan_op(inputs)
    invoke_ops = {name: build_invoke_op(analysis, inputs) for name, analysis in analyses.items()}
    write_ops = {name: build_write_op(analysis, inputs) for name, analysis in analyses.items()}
    # A write waits for every call that may fill its table: its own and combined ones.
    sources = {name: [name, *(other for other, a in analyses.items() if name in a.parts)] for name in analyses}

    @dg.graph_multi_asset(
        name="enrichment",
        group_name=GROUP,
        outs={name: _out(analysis, inputs.models) for name, analysis in analyses.items()},
        ins={
            "catalog": dg.AssetIn(key=CATALOG, dagster_type=dg.Nothing),
            "candidates": dg.AssetIn(key=CANDIDATES, dagster_type=dg.Nothing),
        },
        partitions_def=inputs.partitions,
        backfill_policy=inputs.backfill_policy,
        can_subset=True,
    )
    def enrichment(catalog: Any, candidates: Any) -> dict[str, Any]:
        plan = plan_op(catalog=catalog, candidates=candidates)
        invoked = {name: invoke(plan) for name, invoke in invoke_ops.items()}
        return {name: write(plan, [invoked[each] for each in sources[name]]) for name, write in write_ops.items()}

    return enrichment


def _out(analysis: AnalysisType, models: ModelCatalog) -> dg.AssetOut:
    model = models.asked_for(analysis.name, analysis.model_alias)
    return dg.AssetOut(
        key=analysis.name,
        is_required=False,
        description=analysis.about,
        code_version=analysis.version,
        kinds={"bedrock", "parquet", "s3"},
        owners=OWNERS,
        tags={"analysis": analysis.name},
        metadata={
            "model_id": model.model_id,
            "prompt_version": analysis.version,
            "max_tokens": analysis.max_tokens,
            **({} if analysis.parts else columns_shown(analysis.table_columns)),
        },
    )
