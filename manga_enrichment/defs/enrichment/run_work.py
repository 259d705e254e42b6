"""What the enrichment ops and checks of one run share, in the process that has them all.

Belongs here: the resources `run_work` and `catalog_ids`. Stays out: what ops make of them (`ops.py`, `invoke_op.py`,
`analysis_checks.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.pipeline.engine.invocation import InvokeGateways
from manga_enrichment.pipeline.enrichment.asking.ahead import Ahead
from manga_enrichment.pipeline.enrichment.write import Writing
from manga_enrichment.pipeline.health.table_quality import CatalogIds


@dataclass(frozen=True, slots=True)
class RunWork:
    """ahead: what an op has done of the work of those after it."""

    gateways: InvokeGateways
    writing: Writing
    ahead: Ahead = field(default_factory=Ahead)


def build_run_work(analyses: Mapping[str, AnalysisType]) -> dg.ResourceDefinition:
    """Lives as long as the run; steps in processes of their own would each find nothing done ahead."""

    @dg.resource(
        required_resource_keys={"tables", "ledger", "budget", "senders", "open_model", "status", "clock"},
        description="How the analyses of a run are asked and written, and what of it was done ahead.",
    )
    def run_work(context: dg.InitResourceContext) -> RunWork:
        given: Any = context.resources
        to = InvokeGateways(given.ledger, given.budget, given.senders, given.open_model, given.clock)
        writing = Writing(
            tables=given.tables, ledger=given.ledger, status=given.status, clock=given.clock, analyses=analyses
        )
        return RunWork(to, writing)

    return run_work


@dg.resource(required_resource_keys={"tables"}, description="Ids of the catalog's titles, for all checks of a run.")
def catalog_ids(context: dg.InitResourceContext) -> CatalogIds:
    return CatalogIds(context.resources.tables)
