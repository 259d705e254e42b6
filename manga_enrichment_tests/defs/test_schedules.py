"""The nightly schedule begins a night, whose runs have every bucket once, a handful of buckets each."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.schedule import run_request
from manga_enrichment.defs.shared.partitions import catalog_partitions, partition_groups
from manga_enrichment.defs.shared.tags import (
    RANGE_END_TAG,
    RANGE_START_TAG,
    buckets_of_run,
    range_tags,
    trigger_of,
)
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.operations.nights import Launch
from manga_enrichment.settings import Settings

TWO_AT_NIGHT_IN_TOKYO = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)


def nightly(**settings: Any) -> dg.ScheduleDefinition:
    definitions = build_definitions(Settings(**settings))
    schedule = definitions.get_repository_def().get_schedule_def("nightly_enrichment")
    assert isinstance(schedule, dg.ScheduleDefinition)
    return schedule


def requests_of(schedule: dg.ScheduleDefinition, at: datetime = TWO_AT_NIGHT_IN_TOKYO) -> list[dg.RunRequest]:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
        return list(schedule.evaluate_tick(context).run_requests or ())


def test_it_runs_at_two_at_night_in_tokyo_without_being_switched_on() -> None:
    schedule = nightly()
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Asia/Tokyo")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "nightly_enrichment"


def test_a_night_begins_with_one_run_that_imports_all_buckets_and_nothing_else() -> None:
    (request,) = requests_of(nightly(catalog_buckets=64, buckets_per_run=24))
    assert buckets_of_run(request.tags, bucket_keys(64)) == bucket_keys(64)
    assert request.asset_selection == [dg.AssetKey("manga_catalog")]


def test_every_bucket_is_in_exactly_one_run_of_the_night() -> None:
    keys = bucket_keys(64)
    groups = partition_groups(keys, 24)
    requests = [run_request("2026-11-23", Launch(first), groups, ["enriched_catalog"]) for first, _last in groups]
    covered = [buckets_of_run(request.tags, keys) for request in requests]
    assert [len(buckets) for buckets in covered] == [24, 24, 16]
    assert [bucket for buckets in covered for bucket in buckets] == keys
    assert len({request.run_key for request in requests}) == 3


def test_a_night_of_one_run_imports_in_it() -> None:
    (request,) = requests_of(nightly(catalog_buckets=8, buckets_per_run=8))
    assert buckets_of_run(request.tags, bucket_keys(8)) == bucket_keys(8)
    assert request.asset_selection is None


def test_a_night_is_asked_for_once_and_the_next_night_again() -> None:
    schedule = nightly(catalog_buckets=8, buckets_per_run=4)
    tonight, again = requests_of(schedule), requests_of(schedule)
    tomorrow = requests_of(schedule, datetime(2026, 11, 23, 17, 0, tzinfo=UTC))
    assert len(tonight) == len(tomorrow) == 1
    assert [request.run_key for request in tonight] == [request.run_key for request in again]
    assert not {request.run_key for request in tonight} & {request.run_key for request in tomorrow}


@given(st.integers(1, 1024), st.integers(1, 1024))
def test_groups_are_consecutive_complete_and_not_too_large(count: int, size: int) -> None:
    keys = bucket_keys(count)
    groups = [buckets_of_run(range_tags(first, last), keys) for first, last in partition_groups(keys, size)]
    assert [key for group in groups for key in group] == keys
    assert all(0 < len(group) <= size for group in groups)


def test_partition_keys_are_padded_so_that_they_sort() -> None:
    keys = list(catalog_partitions(1024).get_partition_keys())
    assert keys == sorted(keys)
    assert (keys[0], keys[-1]) == ("0000", "1023")


@pytest.mark.parametrize(
    ("tags", "buckets"),
    [
        ({}, ["0", "1", "2", "3"]),
        ({"dagster/partition": "2"}, ["2"]),
        ({RANGE_START_TAG: "1", RANGE_END_TAG: "2"}, ["1", "2"]),
        ({"dagster/partition": "no bucket of ours"}, ["0", "1", "2", "3"]),
    ],
)
def test_a_run_says_by_its_tags_which_buckets_it_is_about(tags: dict[str, str], buckets: list[str]) -> None:
    assert buckets_of_run(tags, bucket_keys(4)) == buckets


@pytest.mark.parametrize(
    ("tags", "trigger"),
    [
        ({}, "manual"),
        ({"dagster/backfill": "abc"}, "backfill"),
        ({"dagster/schedule_name": "nightly_enrichment"}, "schedule"),
        ({"night": "2026-11-23", "dagster/sensor_name": "night"}, "schedule"),
    ],
)
def test_a_run_says_by_its_tags_who_started_it(tags: dict[str, str], trigger: str) -> None:
    assert trigger_of(tags) == trigger
