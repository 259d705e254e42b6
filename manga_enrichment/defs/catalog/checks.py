"""The check of candidate lists: which are still of an earlier method, and what moving them will cost.

Belongs here: what Dagster is told. Stays out: counting (`pipeline/enrichment/plan_run.py`).
"""

import dagster as dg

from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.names import CANDIDATES
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY
from manga_enrichment.defs.shared.tags import buckets_of_run
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.enrichment.plan_run import Planning


def build_lists_check(inputs: DefinitionInputs) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        retry_policy=OP_RETRY_POLICY,
        asset=CANDIDATES,
        name="lists_are_of_todays_method",
        description="Lists that an earlier method drew stay, since a changed list is asked and paid again; they move "
        "by MANGA_CANDIDATES_REFRESH. Says how many are left, and what they will cost.",
    )
    def lists_are_of_todays_method(
        context: dg.AssetCheckExecutionContext,
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
    ) -> dg.AssetCheckResult:
        planning = Planning(tables=tables, ledger=ledger, analyses=inputs.analyses, models=inputs.models)
        moves = planning.moves(buckets_of_run(context.run.tags, inputs.buckets), list(inputs.analyses))
        return dg.AssetCheckResult(
            passed=not moves.titles,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{moves.titles} lists of an earlier method are left",
            metadata={"titles": moves.titles, "calls": moves.calls, "cost_usd": usd(moves.cost_micro_usd)},
        )

    return lists_are_of_todays_method
