"""A night imports once, fans out, and makes up once for what failed in a way that may pass."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from manga_enrichment.domain.operations.nights import (
    IMPORT,
    SECOND_PASS_AFTER,
    Ending,
    Launch,
    NightRun,
    due,
    first_parts,
    night_of,
)

GROUPS = ["00", "08", "16"]
NOW = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
LONG_AGO = NOW - SECOND_PASS_AFTER
JUST_NOW = LONG_AGO + timedelta(seconds=1)


def run(part: str, ending: Ending, ended_at: datetime | None = LONG_AGO, *, second: bool = False) -> NightRun:
    return NightRun(part, second, ending, None if ending is Ending.NONE_YET else ended_at)


def done(*parts: str) -> list[NightRun]:
    return [run(part, Ending.SUCCESS) for part in parts]


def launches(runs: Iterable[NightRun], groups: list[str] = GROUPS) -> list[Launch]:
    return list(due(groups, list(runs), NOW))


def again(part: str) -> Launch:
    return Launch(part, is_second=True)


def test_a_night_begins_with_the_import_where_there_are_several_runs_to_wait_for_it() -> None:
    assert first_parts(GROUPS) == [IMPORT]
    assert first_parts(["0"]) == ["0"]


@pytest.mark.parametrize("ending", [Ending.NONE_YET, Ending.FINAL])
def test_before_the_import_has_succeeded_nothing_follows(ending: Ending) -> None:
    assert launches([run(IMPORT, ending)]) == []


def test_after_the_import_every_group_is_launched_once() -> None:
    assert launches(done(IMPORT)) == [Launch(group) for group in GROUPS]
    assert launches([*done(IMPORT), run("08", Ending.NONE_YET)]) == [Launch("00"), Launch("16")]
    assert launches(done(IMPORT, *GROUPS)) == []


def test_an_import_that_failed_in_passing_is_made_up_for_and_then_the_groups_follow() -> None:
    failed = run(IMPORT, Ending.FAILURE)
    assert launches([failed]) == [again(IMPORT)]
    assert launches([failed, run(IMPORT, Ending.NONE_YET, second=True)]) == []
    assert launches([failed, run(IMPORT, Ending.SUCCESS, second=True)]) == [Launch(group) for group in GROUPS]
    assert launches([failed, run(IMPORT, Ending.FAILURE, second=True)]) == []


def test_what_failed_is_launched_once_more_when_the_first_pass_is_over() -> None:
    so_far = [*done(IMPORT, "08"), run("00", Ending.FAILURE)]
    assert launches([*so_far, run("16", Ending.NONE_YET)]) == []
    assert launches([*so_far, run("16", Ending.SUCCESS)]) == [again("00")]
    assert launches([*so_far, run("16", Ending.FAILURE)]) == [again("00"), again("16")]


def test_what_was_away_gets_ten_minutes_to_come_back() -> None:
    others = done(IMPORT, "08", "16")
    assert launches([*others, run("00", Ending.FAILURE, JUST_NOW)]) == []
    assert launches([*others, run("00", Ending.FAILURE, LONG_AGO)]) == [again("00")]


@pytest.mark.parametrize("second", [Ending.NONE_YET, Ending.FAILURE, Ending.SUCCESS, Ending.FINAL])
def test_there_is_no_third_pass(second: Ending) -> None:
    runs = [*done(IMPORT, "08", "16"), run("00", Ending.FAILURE), run("00", second, second=True)]
    assert launches(runs) == []


@pytest.mark.parametrize("own_retry", [Ending.NONE_YET, Ending.SUCCESS, Ending.FINAL])
def test_dagsters_own_retry_of_a_killed_run_counts_as_the_runs_end(own_retry: Ending) -> None:
    assert launches([*done(IMPORT, "08", "16"), run("00", Ending.FAILURE), run("00", own_retry)]) == []


def test_what_nothing_passes_by_itself_is_left_to_people() -> None:
    runs = [*done(IMPORT, "08"), run("00", Ending.FINAL), run("16", Ending.FAILURE)]
    assert launches(runs) == [again("16")]


def test_a_night_of_one_run_has_a_second_pass_too() -> None:
    assert launches([run("0", Ending.FAILURE)], ["0"]) == [again("0")]
    assert launches([run("0", Ending.SUCCESS)], ["0"]) == []


@pytest.mark.parametrize(
    ("now", "night"),
    [
        (datetime(2026, 11, 28, 16, 59, tzinfo=UTC), "2026-11-28"),
        (datetime(2026, 11, 28, 17, 0, tzinfo=UTC), "2026-11-29"),
        (datetime(2026, 11, 29, 16, 59, tzinfo=UTC), "2026-11-29"),
    ],
)
def test_a_night_lasts_until_the_next_one_begins_in_tokyo(now: datetime, night: str) -> None:
    assert night_of(now) == night
