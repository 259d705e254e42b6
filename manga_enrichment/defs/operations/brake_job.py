"""Job `brake`: `manga-enrichment brake on|off`, for those who work in the UI.

Belongs here: run config and op. Stays out: what putting it on and off does (`pipeline/health/brake.py`).
"""

import dagster as dg
from pydantic import Field

from manga_enrichment.defs.shared.policies import configuration_errors_are_final
from manga_enrichment.defs.shared.tags import HEALTH_LANE
from manga_enrichment.gateways.batch import BatchInference
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.health.brake import BrakeHandle

BRAKE_JOB = "brake"


class BrakeConfig(dg.Config):
    """on has no default: whoever launches this says which way."""

    on: bool = Field(description="true: nothing more is asked of a model, within 5 s; false: go on")
    because: str = Field("", description="why; needed to put it on, and shown in status, report and alerts")
    stop_jobs: bool = Field(False, description="stop the batch jobs that Bedrock works at, too")


@dg.op(name="set_brake", description="Stop all spending, or go on.", tags={"kind": "dynamodb"})
def set_brake(
    context: dg.OpExecutionContext,
    config: BrakeConfig,
    budget: dg.ResourceParam[BudgetStore],
    tables: dg.ResourceParam[ObjectStore],
    batch: dg.ResourceParam[BatchInference],
    clock: dg.ResourceParam[Clock],
) -> None:
    handle = BrakeHandle(budget, tables, batch, clock)
    with configuration_errors_are_final():
        report = handle.on(config.because, stop_jobs=config.stop_jobs) if config.on else handle.off()
    said = report.sentences()
    for sentence in said:
        context.log.warning(sentence)
    context.add_output_metadata(
        {"is_on": report.brake is not None, "jobs": len(report.jobs), "said": "\n\n".join(said)}
    )


@dg.job(
    name=BRAKE_JOB,
    description="Stop all spending now, or go on: nothing is lost, everything else is deferred as brake.",
    tags=HEALTH_LANE,
)
def brake() -> None:
    set_brake()
