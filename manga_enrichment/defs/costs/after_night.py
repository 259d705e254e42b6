"""`costs_after_night`: costs are there when a night ends, not an hour later.

Belongs here: the sensor. Stays out: what it launches, and the hourly schedule, which sees all that no night caused
(`defs/costs/assets.py`).
"""

from datetime import timedelta
from typing import Any

import dagster as dg

from manga_enrichment.defs.shared.tags import LANE_TAG, NIGHTLY_LANE, range_tags
from manga_enrichment.gateways.clock import Clock

SENSOR = "costs_after_night"


def build_costs_after_night(costs_job: Any) -> dg.SensorDefinition:
    """costs_job: the code location's own, of `build_costs_job`; Dagster does not export its type."""

    @dg.run_status_sensor(
        name=SENSOR,
        run_status=dg.DagsterRunStatus.SUCCESS,
        request_job=costs_job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After each run of a night or a backfill: add up yesterday and today (UTC).",
    )
    def costs_after_night(
        context: dg.RunStatusSensorContext, clock: dg.ResourceParam[Clock]
    ) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        if run.tags.get(LANE_TAG) != NIGHTLY_LANE[LANE_TAG]:
            return dg.SkipReason(f"{run.job_name} is no run of a night")
        today = clock.now().date()
        yesterday = today - timedelta(days=1)
        return dg.RunRequest(run_key=run.run_id, tags=range_tags(yesterday.isoformat(), today.isoformat()))

    return costs_after_night
