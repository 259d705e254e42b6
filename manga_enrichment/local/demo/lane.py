"""The partner lane without a daemon: the code location's own sensors, evaluated here, and the runs they ask for.

Belongs here: ticks and runs in this process, recorded in the instance that `make dev` shows. Stays out: what is
submitted (`partners.py`).

A daemon would do the same in processes of their own, which cost seconds each. Where one works on the same stack at the
same time, claims decide who gets a request, as always.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from manga_enrichment.defs.partner.assets import PARTNER_JOB
from manga_enrichment.defs.partner.outbox_sensor import OUTBOX_SENSOR
from manga_enrichment.defs.partner.resident_job import RESIDENT_JOB, resident_config
from manga_enrichment.defs.partner.resident_sensor import RESIDENTS_SENSOR
from manga_enrichment.defs.shared.tags import PROCESS_TAG, REPOSITORY_TAG, RESIDENT_TAG
from manga_enrichment.local.dagster_home import LOCATION, REPOSITORY_NAME

REQUEST_SENSORS = (RESIDENTS_SENSOR, "partner_requests")
RESIDENT_SECONDS = 3.0
"""How long a resident run receives here: one that stays would keep this process from everything else."""
QUIET: Mapping[str, Any] = {"loggers": {"console": {"config": {"log_level": "WARNING"}}}}
"""Run config: an in-process run otherwise prints a line per event."""


def tags_of_this_process() -> dict[str, str]:
    """Of each run of the demo: where it runs, and that `make dev` shows it among the runs of its job."""
    return {PROCESS_TAG: str(os.getpid()), REPOSITORY_TAG: f"{REPOSITORY_NAME}@{LOCATION}"}


def run_here(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    tags: Mapping[str, str],
    config: Mapping[str, Any] | None = None,
    partition_key: str | None = None,
    run_id: str | None = None,
) -> dg.ExecuteInProcessResult:
    """A run of that job in this process, recorded as one of the code location that `make dev` serves."""
    result = definitions.resolve_job_def(job).execute_in_process(
        run_config={**(config or {}), **QUIET},
        partition_key=partition_key,
        tags={**tags, **tags_of_this_process()},
        instance=instance,
        raise_on_error=False,
        run_id=run_id,
    )
    if run := instance.get_run_by_id(result.run_id):
        origin: Any = dg.deserialize_value(_origin(job))
        instance.run_storage.replace_job_origin(run, origin)
    return result


def _origin(job: str) -> str:
    """Where a job comes from, as Dagster writes it down: without it the timeline leaves a run out."""
    location = {"__class__": "RegisteredRepositoryLocationOrigin", "location_name": LOCATION}
    repository = {
        "__class__": "ExternalRepositoryOrigin",
        "repository_location_origin": location,
        "repository_name": REPOSITORY_NAME,
    }
    origin = {"__class__": "ExternalPipelineOrigin", "external_repository_origin": repository, "pipeline_name": job}
    return json.dumps(origin)


class InProcessLane:
    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._definitions = definitions
        self._instance = instance
        self._cursors: dict[str, str | None] = {}

    def work(self, sensors: Sequence[str] = REQUEST_SENSORS) -> list[dg.ExecuteInProcessResult]:
        """One tick of each request sensor and the runs it asks for; then what is due in the outbox is sent."""
        results = [result for sensor in sensors for result in self.run_all(self.tick(sensor))]
        self.tick(OUTBOX_SENSOR)
        return results

    def run_all(self, requests: Sequence[dg.RunRequest]) -> list[dg.ExecuteInProcessResult]:
        """The runs, one after the other."""
        return [self._run(request) for request in requests]

    def tick(self, name: str) -> Sequence[dg.RunRequest]:
        """One tick of a sensor; the runs it asks for, not started."""
        sensor = self._definitions.resolve_sensor_def(name)
        given = self._definitions.resources or {}
        with dg.build_sensor_context(
            instance=self._instance,
            cursor=self._cursors.get(name),
            definitions=self._definitions,
            resources={key: given[key] for key in sensor.required_resource_keys},
        ) as context:
            result = sensor(context)
        if not isinstance(result, dg.SensorResult):  # a sensor that starts no runs only says why
            return ()
        self._cursors[name] = result.cursor
        return list(result.run_requests or [])

    def _run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        job, config = PARTNER_JOB, request.run_config
        if RESIDENT_TAG in request.tags:
            job, config = RESIDENT_JOB, resident_config(request.run_config, RESIDENT_SECONDS)
        key = request.partition_key or None
        return run_here(self._definitions, self._instance, job, request.tags, config, key)
