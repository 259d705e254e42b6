"""`partner_results`: the answers to partners' requests, and the job that gives them.

A run works at the requests of one unit, which the sensor claimed. An invoke op of an analysis that nobody wants is
skipped and takes no place in the pool.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from manga_enrichment.defs.partner.ops import (
    build_collect_op,
    build_open_op,
    build_partner_invoke_op,
    build_partner_plan_op,
    build_settle_op,
)
from manga_enrichment.defs.partner.settings import PartnerSettings
from manga_enrichment.defs.shared.names import OWNERS, PARTNER_RESULTS
from manga_enrichment.defs.shared.partitions import utc_days
from manga_enrichment.defs.shared.tags import MAX_RETRIES_TAG, PARTNER_LANE
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.prompts.conversations import CONVERSATION

PARTNER_JOB = "partner_batch_job"


def build_partner_results(
    analyses: Mapping[str, AnalysisType], models: ModelCatalog, settings: PartnerSettings
) -> dg.AssetsDefinition:
    names = [*analyses, CONVERSATION.name]
    open_op, plan_op = build_open_op(), build_partner_plan_op(analyses, models, settings)
    invoke_ops = {name: build_partner_invoke_op(name, analyses, models, settings) for name in names}
    collect_op, settle_op = build_collect_op(), build_settle_op(settings)
    description = "Answers to partners' requests: one Parquet object and one JSON document per request."

    @dg.graph_multi_asset(
        name=PARTNER_RESULTS,
        group_name="partners",
        outs={
            PARTNER_RESULTS: dg.AssetOut(
                key=PARTNER_RESULTS,
                is_required=False,
                description=description,
                kinds={"bedrock", "parquet", "s3"},
                owners=OWNERS,
            )
        },
        partitions_def=utc_days(),
    )
    def partner_results() -> dict[str, Any]:
        planned = plan_op(open_op())
        invoked = [invoke_ops[name](getattr(planned, name)) for name in names]
        # In one list: an op is skipped when all that it collects was, and a run may need no call at all.
        return {PARTNER_RESULTS: settle_op(collect_op([planned.planned, *invoked]))}

    return partner_results


def build_partner_job() -> Any:
    """An unresolved asset job; Dagster does not export its type.

    Dagster does not retry its runs: a killed run's requests are delivered again, to a run of their own.
    """
    return dg.define_asset_job(
        PARTNER_JOB,
        selection=dg.AssetSelection.assets(PARTNER_RESULTS),
        description="Answer the requests of one work unit; the sensors launch it.",
        tags={**PARTNER_LANE, MAX_RETRIES_TAG: "0"},
    )
