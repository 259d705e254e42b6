"""Tasks are runs that work, not runs that wait for a place."""

from collections.abc import Iterator

import dagster as dg
import pytest

from manga_enrichment.defs.shared.run_facts import running_tasks
from manga_enrichment.defs.shared.tags import QUEUE_TAG, RESIDENT_TAG
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, NORMAL, ORDERED, SESSION


@dg.op
def rest() -> None: ...


@dg.job
def idle() -> None:
    rest()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(instance: dg.DagsterInstance, tags: dict[str, str], status: dg.DagsterRunStatus) -> None:
    instance.create_run_for_job(idle, tags=tags, status=status)


def test_those_that_wait_or_have_ended_are_no_tasks(instance: dg.DagsterInstance) -> None:
    for status in set(dg.DagsterRunStatus) - {dg.DagsterRunStatus.QUEUED}:  # a queued one needs a code location
        run(instance, {QUEUE_TAG: NORMAL.name}, status)
    assert running_tasks(instance) == {NORMAL.name: 2, "": 2}  # started, canceling


def test_a_resident_run_is_a_task_of_each_queue_of_its_lane_and_one_of_all(instance: dg.DagsterInstance) -> None:
    started = dg.DagsterRunStatus.STARTED
    run(instance, {RESIDENT_TAG: "conversations"}, started)
    run(instance, {RESIDENT_TAG: "urgent"}, started)
    run(instance, {QUEUE_TAG: HIGH_PRIORITY.name}, started)
    run(instance, {}, started)
    assert running_tasks(instance) == {ORDERED.name: 1, SESSION.name: 1, HIGH_PRIORITY.name: 2, "": 3}


def test_where_nobody_works_there_are_none(instance: dg.DagsterInstance) -> None:
    assert running_tasks(instance) == {"": 0}
