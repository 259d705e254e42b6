"""What an op needs to know of its run, and which runs have not ended.

Belongs here: facts that Dagster's context and instance know. Stays out: what tags alone say (`defs/shared/tags.py`).
"""

from collections import Counter, defaultdict

import dagster as dg

from manga_enrichment.defs.shared.policies import IS_FINAL
from manga_enrichment.defs.shared.tags import QUEUE_TAG, RESIDENT_TAG, UNIT_TAG, trigger_of
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.requests.queues import QUEUES, RESIDENT_LANES
from manga_enrichment.gateways.clock import Clock

WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
GOING_ON = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
IN_FLIGHT = [*WAITING, *GOING_ON]


def provenance_of(context: dg.OpExecutionContext, clock: Clock) -> Provenance:
    """run_date is the UTC day of the run's first op; ops of one run may pass midnight, so they hand it on."""
    return Provenance(context.run_id, clock.now().date().isoformat(), trigger_of(context.run_tags))


def selected_names(context: dg.OpExecutionContext) -> list[str]:
    """Names of the assets of this op's graph that the run is to materialize."""
    return sorted(key.path[-1] for key in context.selected_asset_keys)


def is_to_run(context: dg.OpExecutionContext, op: str) -> bool:
    """Whether another op of the same graph belongs to what the run executes; a re-execution takes up some steps."""
    steps = context.run.step_keys_to_execute
    graph = str(context.op_handle).rpartition(".")[0]
    return steps is None or f"{graph}.{op}".lstrip(".") in steps


def units_in_flight(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """By queue the keys of the units whose runs have not ended."""
    found: dict[str, list[str]] = defaultdict(list)
    for run in instance.get_runs(dg.RunsFilter(tags={QUEUE_TAG: list(QUEUES)}, statuses=IN_FLIGHT)):
        found[run.tags[QUEUE_TAG]].append(run.tags.get(UNIT_TAG, ""))
    return dict(found)


def running_tasks(instance: dg.DagsterInstance) -> dict[str, int]:
    """Runs that have begun to work at requests, each of which is a task or a process: by queue, and "" for all of them.

    A resident run is one of each queue of its lane.
    """
    of_units = instance.get_runs(dg.RunsFilter(tags={QUEUE_TAG: list(QUEUES)}, statuses=GOING_ON))
    residents = instance.get_runs(dg.RunsFilter(tags={RESIDENT_TAG: list(RESIDENT_LANES)}, statuses=GOING_ON))
    found = Counter(run.tags[QUEUE_TAG] for run in of_units)
    found.update(queue.name for run in residents for queue in RESIDENT_LANES[run.tags[RESIDENT_TAG]])
    return {**found, "": len(of_units) + len(residents)}


def failed_for_good(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a step of a failed run says that nothing passes by itself."""
    failed = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    said = [log.dagster_event.step_failure_data.user_failure_data for log in failed if log.dagster_event is not None]
    return any(IS_FINAL in each.metadata for each in said if each is not None)
