"""The job of a resident run: one op that receives and answers until its time is over.

Belongs here: what the run gets from Dagster and tells it: an observation a minute at most, counts at its end. Stays
out: its life (`pipeline/resident/resident_run.py`), who starts it (`defs/partner/resident_sensor.py`).

Dagster's event log grows with these runs, not with their requests.
"""

import threading
from collections.abc import Mapping
from typing import Any

import dagster as dg

from manga_enrichment.defs.partner.ops import settle_metadata
from manga_enrichment.defs.partner.resident_making import ResidentMaking
from manga_enrichment.defs.partner.runs import signals_only_set
from manga_enrichment.defs.shared.names import PARTNER_RESULTS
from manga_enrichment.defs.shared.policies import permanent_failure
from manga_enrichment.defs.shared.tags import MAX_RETRIES_TAG, PARTNER_LANE
from manga_enrichment.domain.requests.queues import RESIDENT_LANES
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.resident.parts import Post
from manga_enrichment.pipeline.resident.report import ResidentReport
from manga_enrichment.pipeline.resident.resident_run import ResidentRun

RESIDENT_JOB = "partner_resident_job"


class PostConfig(dg.Config):
    """lane: whose queues are served. slot, epoch: of the heartbeat row. life_seconds: 0 for what the settings say."""

    lane: str
    slot: int
    epoch: int
    life_seconds: float = 0.0


def resident_config(run_config: Mapping[str, Any], life_seconds: float) -> dict[str, Any]:
    """The run config that the sensor made, for a run of another life."""
    own = {**run_config["ops"]["answer_requests"]["config"], "life_seconds": life_seconds}
    return {"ops": {"answer_requests": {"config": own}}}


def build_resident_job() -> dg.JobDefinition:
    """Dagster does not retry its runs: the sensor starts the next one of the slot."""

    @dg.job(
        name=RESIDENT_JOB,
        description="Receive and answer the requests of a lane that somebody waits for; the sensor launches it.",
        tags={**PARTNER_LANE, MAX_RETRIES_TAG: "0"},
    )
    def partner_resident_job() -> None:
        _build_op()()

    return partner_resident_job


def _build_op() -> dg.OpDefinition:
    @dg.op(
        name="answer_requests",
        description="Receive, claim, plan, ask, settle, ack: many requests at once, until the time is over.",
        out=dg.Out(dg.Nothing),
        tags={"kind": "sqs"},
    )
    def answer_requests(
        context: dg.OpExecutionContext,
        config: PostConfig,
        resident: dg.ResourceParam[ResidentMaking],
        tables: dg.ResourceParam[ObjectStore],
        clock: dg.ResourceParam[Clock],
    ) -> None:
        stop = threading.Event()
        post = Post(config.lane, config.slot, config.epoch, context.run_id)
        names = [queue.name for queue in RESIDENT_LANES[config.lane]]

        def tell(report: ResidentReport) -> None:
            context.log_event(dg.AssetObservation(**_event(report, tables, clock)))

        with signals_only_set(stop):
            report = ResidentRun(resident.parts(config.lane, config.life_seconds), post, names, stop, tell).run()
        _conclude(context, report, tables, clock)

    return answer_requests


def _conclude(context: dg.OpExecutionContext, report: ResidentReport, tables: ObjectStore, clock: Clock) -> None:
    if report.settled.states:
        context.log_event(dg.AssetMaterialization(**_event(report, tables, clock)))
    context.add_output_metadata(_metadata(report, tables))
    failures = [permanent_failure(each) for each in report.stopped.values()]
    if failures:
        raise dg.Failure(" ".join(filter(None, failures)), allow_retries=False)


def _event(report: ResidentReport, tables: ObjectStore, clock: Clock) -> dict[str, Any]:
    day = clock.now().date().isoformat()
    return {"asset_key": PARTNER_RESULTS, "partition": day, "metadata": _metadata(report, tables)}


def _metadata(report: ResidentReport, tables: ObjectStore) -> dict[str, Any]:
    """Flat numbers, so that the UI plots them."""
    return {
        **settle_metadata(report.settled, tables),
        **{f"messages_{name.value}": count for name, count in sorted(report.received.items())},
        "requests_given_back": report.given_back,
        "calls": report.calls,
        **({"ended": report.ended} if report.ended else {}),
    }
