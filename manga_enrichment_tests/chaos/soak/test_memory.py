"""The soak's arithmetic: slopes of lines that are known, peaks of runs, and what is judged how."""

import random

import pytest

from manga_enrichment_tests.chaos.soak.memory import MB, RunPeak, Sample, flat, no_higher, slope_mb_per_hour

HOUR = 3_600.0


def line(mb_per_hour: float, *, seconds: float = HOUR, noise_mb: float = 0.0, pid: int = 7) -> list[Sample]:
    """A server that starts with 200 MB, sampled every five seconds."""
    dice = random.Random(3)
    return [
        Sample(at, pid, round((200 + mb_per_hour * at / HOUR + dice.uniform(-noise_mb, noise_mb)) * MB))
        for at in range(0, int(seconds), 5)
    ]


@pytest.mark.parametrize("mb_per_hour", [0.0, 4.0, 60.0, -12.0])
def test_the_slope_of_a_line_is_the_line_s(mb_per_hour: float) -> None:
    assert slope_mb_per_hour(line(mb_per_hour)) == pytest.approx(mb_per_hour, abs=0.01)
    assert slope_mb_per_hour(line(mb_per_hour, noise_mb=2)) == pytest.approx(mb_per_hour, abs=0.5)


@pytest.mark.parametrize("samples", [[], [Sample(1, 7, MB), Sample(1, 7, 2 * MB)]])
def test_no_slope_is_made_up(samples: list[Sample]) -> None:
    with pytest.raises(ValueError, match="samples"):
        slope_mb_per_hour(samples)


@pytest.mark.parametrize(("mb_per_hour", "holds"), [(0.0, True), (4.9, True), (5.1, False), (-30.0, True)])
def test_a_server_may_grow_by_five_megabytes_an_hour(mb_per_hour: float, holds: bool) -> None:
    rule = flat("daemon", line(mb_per_hour))
    assert (rule.name, rule.holds) == ("memory of daemon", holds)
    assert f"{mb_per_hour:+.1f} MB an hour" in rule.said


def test_what_a_server_takes_while_it_warms_up_is_not_counted() -> None:
    warm = [Sample(each.at_seconds, 7, each.rss_bytes + 300 * MB) for each in line(0) if each.at_seconds >= 590]
    cold = [each for each in line(0) if each.at_seconds < 590]
    assert flat("webserver", [*cold, *warm]).holds
    assert not flat("webserver", [*cold, *warm], warm_up_seconds=0).holds


def test_too_short_a_soak_judges_no_memory_and_says_so() -> None:
    rule = flat("daemon", line(500, seconds=15 * 60))
    assert rule.holds
    assert rule.said.startswith("not judged")
    assert not flat("daemon", line(500, seconds=20 * 60 + 5)).holds


def test_a_server_that_was_never_seen_or_started_anew_is_not_flat() -> None:
    assert not flat("daemon", []).holds
    assert "2 processes" in flat("daemon", [*line(0), Sample(HOUR, 8, 200 * MB)]).said
    assert not flat("daemon", [*line(0), Sample(HOUR, 8, 200 * MB)]).holds


def run_peaks(job: str, first_mb: float, last_mb: float) -> list[RunPeak]:
    """Ten runs an hour, the highest in the middle: neither third is about that one."""
    at = [number * HOUR / 10 for number in range(10)]
    return [
        RunPeak(job, each, round((first_mb if each < HOUR / 3 else last_mb if each >= HOUR * 2 / 3 else 900) * MB))
        for each in at
    ]


@pytest.mark.parametrize(("last_mb", "holds"), [(150, True), (100, True), (154, True), (156, False)])
def test_the_peak_of_a_job_s_runs_is_no_higher_at_the_end(last_mb: float, holds: bool) -> None:
    [rule] = no_higher(run_peaks("nightly", 150, last_mb), HOUR)
    assert (rule.name, rule.holds) == ("peak of nightly", holds)


def test_each_job_is_held_to_its_own_peak() -> None:
    rules = no_higher([*run_peaks("nightly", 300, 300), *run_peaks("partner", 100, 200)], HOUR)
    assert {rule.name: rule.holds for rule in rules} == {"peak of nightly": True, "peak of partner": False}


def test_without_runs_at_both_ends_nothing_is_called_flat() -> None:
    assert [rule.holds for rule in no_higher([], HOUR)] == [False]
    assert [rule.holds for rule in no_higher([RunPeak("nightly", 1, MB)], HOUR)] == [False]
