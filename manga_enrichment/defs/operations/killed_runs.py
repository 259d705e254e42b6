"""The sensor `killed_runs`: ends runs whose process is gone.

Dagster's default launcher starts runs under its code server, which reports a run that dies. When the machine or the
code server dies with it, nobody does: the run stays STARTED, keeps its slot of a pool, and every later run waits for
that slot. Run monitoring asks the launcher, and the default one does not know. This sensor is evaluated where the runs
are, so it can look. What follows is Dagster's: the run is launched again (`dagster.yaml`).

Other launchers (ECS, Kubernetes, Docker) watch their runs themselves; with those the sensor does nothing. Nor does it
judge runs of other machines and containers, whose process ids mean nothing here: only those that a code server started
which goes by the same host name as the one it is evaluated in. A container that takes the place of another one goes by
its name; one name for several that run at a time would have one end the others' runs.

Belongs here: which process a run is in, and its end. Stays out: whether a process exists (`runtime/processes.py`).
"""

import json
from collections.abc import Iterator

import dagster as dg

from manga_enrichment.defs.shared.run_facts import GOING_ON
from manga_enrichment.defs.shared.tags import CODE_SERVER_TAG, PROCESS_TAG
from manga_enrichment.runtime.processes import process_exists

KILLED_RUNS_SENSOR = "killed_runs"
INTERVAL_SECONDS = 30
LOOPBACK = "localhost"
_LOOPBACKS = frozenset({LOOPBACK, "127.0.0.1", "::1"})
CLOCK_SLACK_SECONDS = 60.0
"""When a machine's clock is set, the moments at which its processes began seem to move."""


def build_killed_runs_sensor() -> dg.SensorDefinition:
    @dg.sensor(
        name=KILLED_RUNS_SENSOR,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="End runs whose process is gone, so that they free their slots. Starts no runs.",
    )
    def killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        instance = context.instance
        if not isinstance(instance.run_launcher, dg.DefaultRunLauncher):
            return dg.SkipReason("this launcher watches its runs itself")
        ended = list(end_killed_runs(instance, here=getattr(context.code_location_origin, "host", LOOPBACK)))
        for run_id in ended:
            context.log.warning(f"the process of run {run_id} is gone: the run is marked as failed")
        return dg.SkipReason(f"{len(ended)} runs were ended" if ended else "all runs have their processes")

    return killed_runs


def end_killed_runs(instance: dg.DagsterInstance, *, here: str = LOOPBACK) -> Iterator[str]:
    """Mark runs as failed that go on without a process on this machine, and free their slots; their ids.

    here: host name of the code server whose runs are looked at. A run of which nobody has said yet which process it is
    in is left alone.
    """
    for record in instance.get_run_records(dg.RunsFilter(statuses=GOING_ON)):
        run = record.dagster_run
        if _host_of(run) != _plain(here):
            continue
        pid = process_of(instance, run)
        began = record.start_time or record.create_timestamp.timestamp()
        if pid is None or process_exists(pid, since=began + CLOCK_SLACK_SECONDS):
            continue
        if (now := instance.get_run_by_id(run.run_id)) is None or now.is_finished:
            continue  # it came to its end between the two looks
        instance.report_run_failed(run, "The process of the run is gone: it, or its machine, was killed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)  # a daemon would, where one runs
        yield run.run_id


def _host_of(run: dg.DagsterRun) -> str:
    """Of the code server that started it; a run that none did was begun by hand on the one machine there is."""
    said = run.tags.get(CODE_SERVER_TAG)
    return _plain(LOOPBACK if said is None else json.loads(said)["host"])


def _plain(host: str) -> str:
    return LOOPBACK if host in _LOOPBACKS else host


def process_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int | None:
    """The process of a run, as its first events say; until they do, as the tag says that it was begun with, if any.

    A run that is another one's new try got that one's tags, whose process may be gone.
    """
    said = pid_of(instance, run.run_id)
    tagged = run.tags.get(PROCESS_TAG, "") if run.parent_run_id is None else ""
    return int(tagged) if said is None and tagged.isdecimal() else said


def pid_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process of a run, as its first events say; None before they do."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        if event is not None and event.step_key is None and "pid" in event.engine_event_data.metadata:
            return int(str(event.engine_event_data.metadata["pid"].value))
    return None
