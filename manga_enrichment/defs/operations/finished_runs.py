"""Runs that have ended, in order and each once: what alerts and metrics are made from.

Belongs here: reading them from Dagster's event log and putting them in our words. Stays out: what is told
(`alert_sensor.py`), what is counted (`metrics_sensor.py`). Both read after the fact: neither can hold up or fail a run.

Both sensors keep the storage id of the last event they dealt with; ids of run status events rise with time.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import dagster as dg

from manga_enrichment.defs.shared.severity import is_graded, next_step_of
from manga_enrichment.defs.shared.tags import (
    BACKFILL_TAG,
    QUEUE_TAG,
    RESIDENT_SLOT_TAG,
    RESIDENT_TAG,
    UNIT_TAG,
    WILL_RETRY_TAG,
    partition_range,
)
from manga_enrichment.domain.operations.incidents import CHECK_FAILED, RUN_DIED, Signal

RUNS_PER_TICK = 25
_End = Literal[dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE]
_ENDS: tuple[_End, ...] = (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE)
FOR_ALERTS = frozenset({dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION})
FOR_METRICS = frozenset({dg.DagsterEventType.STEP_OUTPUT, dg.DagsterEventType.ASSET_MATERIALIZATION})
_MOST_NAMES = 5
_EXPLANATION_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """storage_id: of the event that ended it. events: those of its log that were asked for, in order."""

    storage_id: int
    run: dg.DagsterRun
    succeeded: bool
    at: datetime
    events: tuple[dg.DagsterEvent, ...]


def latest_end(instance: dg.DagsterInstance) -> int:
    """Storage id of the newest end of a run; -1 when none has ended. A sensor's first tick starts behind it."""
    newest = [record for end in _ENDS for record in instance.fetch_run_status_changes(end, limit=1).records]
    return max((record.storage_id for record in newest), default=-1)


def finished_after(
    instance: dg.DagsterInstance, storage_id: int, event_types: Collection[dg.DagsterEventType]
) -> list[FinishedRun]:
    """The next runs that ended, oldest first; those that were deleted meanwhile are left out."""
    pages = []
    for end in _ENDS:
        wanted = dg.RunStatusChangeRecordsFilter(end, after_storage_id=storage_id)
        pages.append(instance.fetch_run_status_changes(wanted, limit=RUNS_PER_TICK, ascending=True).records)
    # A full page ends somewhere; what the other has beyond that waits for its turn.
    horizon = min((page[-1].storage_id for page in pages if len(page) == RUNS_PER_TICK), default=None)
    records = sorted((record for page in pages for record in page), key=lambda record: record.storage_id)
    found = []
    for record in records:
        run = instance.get_run_by_id(record.run_id)
        if run is not None and (horizon is None or record.storage_id <= horizon):
            entry = record.event_log_entry
            succeeded = entry.get_dagster_event().event_type is dg.DagsterEventType.RUN_SUCCESS
            logs = instance.all_logs(run.run_id, of_type=set(event_types))
            events = tuple(log.dagster_event for log in logs if log.dagster_event is not None)
            moment = datetime.fromtimestamp(entry.timestamp, UTC)
            found.append(FinishedRun(record.storage_id, run, succeeded, moment, events))
    return found


def signals_of(finished: FinishedRun) -> list[Signal]:
    """What a run says about itself and about what it checked.

    It says nothing of itself when it is tried again, or when a blocking check stopped it: the check says it.
    """
    signals = [_check_signal(finished, event) for event in finished.events if _is_check(event)]
    is_tried_again = finished.run.tags.get(WILL_RETRY_TAG) == "true"
    if finished.succeeded or not (is_tried_again or _stopped_by_checks(finished.events)):
        signals.append(_run_signal(finished))
    return signals


def output_metadata(events: Iterable[dg.DagsterEvent], step_prefix: str) -> list[Mapping[str, Any]]:
    """Metadata values of the outputs of steps whose own name (without the graph's) begins so."""
    return [
        {name: value.value for name, value in event.step_output_data.metadata.items()}
        for event in events
        if event.event_type is dg.DagsterEventType.STEP_OUTPUT
        and str(event.step_key).rsplit(".", 1)[-1].startswith(step_prefix)
    ]


def new_rows_of(events: Iterable[dg.DagsterEvent], tables: Collection[str]) -> int | None:
    """Rows that were new in these tables, over all partitions; None when none of them was materialized."""
    done = [each.step_materialization_data.materialization for each in events if each.is_step_materialization]
    rows = [each.metadata["new_rows"].value for each in done if each.asset_key.path[-1] in tables]
    return sum(int(str(value)) for value in rows) if rows else None


def _run_signal(finished: FinishedRun) -> Signal:
    run = finished.run
    reason, explanation = ("", "") if finished.succeeded else _why(finished.events)
    return Signal(
        subject=f"run of {_what(run)}",
        # Requests of a failed unit come again in another one: any run that works says that the lane works.
        scope="" if UNIT_TAG in run.tags else _partitions(run),
        works=finished.succeeded,
        at=finished.at,
        run_id=run.run_id,
        reason=reason,
        where=_where(run),
        explanation=explanation,
    )


def _check_signal(finished: FinishedRun, event: dg.DagsterEvent) -> Signal:
    evaluation = event.asset_check_evaluation_data
    name = f"{evaluation.check_name} of {evaluation.asset_key.to_user_string()}"
    is_error = not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR
    advice = next_step_of(evaluation.metadata) if is_error else ""
    said = (evaluation.description or "") if is_error and is_graded(evaluation.metadata) else ""
    return Signal(
        subject=f"check {name}",
        scope=_partitions(finished.run),
        works=not is_error,
        at=finished.at,
        run_id=finished.run.run_id,
        reason=CHECK_FAILED if is_error else "",
        where=_where(finished.run),
        explanation=said[:_EXPLANATION_CHARACTERS],
        numbers=_numbers(evaluation.metadata),
        advice=advice,
    )


def _is_check(event: dg.DagsterEvent) -> bool:
    """A WARN that follows an ERROR ends nothing and begins nothing."""
    if event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return False
    evaluation = event.asset_check_evaluation_data
    return evaluation.passed or evaluation.severity is dg.AssetCheckSeverity.ERROR


def _numbers(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, float]:
    values = {name: value.value for name, value in metadata.items()}
    return {
        name: value for name, value in values.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _what(run: dg.DagsterRun) -> str:
    """The job; for runs without one, such as backfills from the UI, the assets."""
    if not run.job_name.startswith("__"):
        return run.job_name
    names = sorted(key.to_user_string() for key in run.asset_selection or ())
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"assets {', '.join(names[:_MOST_NAMES])}{more}"


def _partitions(run: dg.DagsterRun) -> str:
    first, last = partition_range(run.tags)
    return first if first == last else f"{first}..{last}"


def _where(run: dg.DagsterRun) -> str:
    parts = [f"partition {_partitions(run)}" if _partitions(run) else ""]
    if UNIT_TAG in run.tags:
        parts.append(f"requests of unit {run.tags[UNIT_TAG]} from {run.tags.get(QUEUE_TAG, '?')}")
    if RESIDENT_TAG in run.tags:
        parts.append(f"resident {run.tags.get(RESIDENT_SLOT_TAG, '?')} of {run.tags[RESIDENT_TAG]}")
    if BACKFILL_TAG in run.tags:
        parts.append(f"backfill {run.tags[BACKFILL_TAG]}")
    return ", ".join(part for part in parts if part)


def _stopped_by_checks(events: Iterable[dg.DagsterEvent]) -> bool:
    failures = [each for each in events if each.event_type is dg.DagsterEventType.STEP_FAILURE]
    errors = [each.step_failure_data.error for each in failures]
    return bool(errors) and all(error and error.cls_name == "DagsterAssetCheckFailedError" for error in errors)


def _why(events: Iterable[dg.DagsterEvent]) -> tuple[str, str]:
    """(error class, our sentence about it). Only what we raised ourselves has a sentence: others may quote anything."""
    failure = next((each for each in events if each.event_type is dg.DagsterEventType.STEP_FAILURE), None)
    if failure is None:
        return RUN_DIED, ""
    data = failure.step_failure_data
    cause = data.error.cause if data.error else None
    if data.user_failure_data is None:
        name = (cause or data.error).cls_name if data.error else ""
        return name or "unknown", f"op {failure.step_key}"
    told = data.user_failure_data.metadata.get("error_class")
    is_ours = cause is None or cause.cls_name == "ConfigurationError"
    reason = str(told.value) if told else (cause.cls_name if cause and cause.cls_name else "permanent_failure")
    said = (data.user_failure_data.description or "") if is_ours else ""
    return reason, f"op {failure.step_key}: {said[:_EXPLANATION_CHARACTERS]}" if said else f"op {failure.step_key}"
