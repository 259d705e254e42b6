"""What the service must have counted, by what the log says: a range, and nothing outside of it goes unsaid."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.models.usage import Price, Usage, cost_micro_usd
from manga_enrichment.domain.operations.service_books import (
    EDGE,
    HOUR,
    LAG,
    NOTHING,
    REFUSED,
    Counts,
    Difference,
    LoggedCall,
    ServiceMetric,
    closed_hours,
    compare,
    expected_of_answer,
    most_of_lost_call,
)

MODEL = "jp.anthropic.claude-haiku"
PROFILE = "arn:aws:bedrock:ap-northeast-1:123456789012:application-inference-profile/abc123"
START = datetime(2026, 1, 15, 1, tzinfo=UTC)
HOURS = [START, START + HOUR, START + 2 * HOUR]
USAGE = Usage(100, 50, 1_000, 10)
ANSWER = expected_of_answer(USAGE)
PRICE = Price(1_000_000, 5_000_000, 100_000, 1_250_000)


def answered(minutes: float, model_id: str = MODEL, seconds: float = 5) -> LoggedCall:
    first = START + timedelta(minutes=minutes)
    return LoggedCall(model_id, first, first + timedelta(seconds=seconds), ANSWER, ANSWER)


def lost(minutes: float, at_most: Counts = ANSWER, *, is_abandoned: bool = False) -> LoggedCall:
    first = START + timedelta(minutes=minutes)
    return LoggedCall(MODEL, None if is_abandoned else first, first + timedelta(seconds=5), NOTHING, at_most)


def differences(
    calls: Sequence[LoggedCall], answers: Mapping[int, int], model_id: str = MODEL, used: Sequence[str] = ()
) -> list[Difference]:
    """answers: hour -> how many answers of USAGE the service counts in it."""
    service = {
        (model_id, metric): {START + hour * HOUR: ANSWER[metric] * count for hour, count in answers.items()}
        for metric in ServiceMetric
    }
    return compare(calls, service, HOURS, used)


def test_answers_that_the_service_counts_are_no_difference() -> None:
    assert differences([answered(10), answered(20), answered(130)], {0: 2, 2: 1}) == []


def test_one_answer_that_the_service_does_not_know_is_an_error_in_every_metric() -> None:
    found = differences([answered(10), answered(20)], {0: 1})
    assert [each.metric for each in found] == list(ServiceMetric)
    assert {each.begin for each in found} == {START}
    assert [each.missing for each in found] == [1, 100, 50, 1_000, 10]
    assert all(each.is_error for each in found)
    assert found[0].sentence() == f"{MODEL}, 2026-01-15 01:00 to 02:00 UTC: Invocations 1, 1 less than the log"


def test_a_single_token_counts() -> None:
    service = {(MODEL, metric): {START: ANSWER[metric]} for metric in ServiceMetric}
    service[MODEL, ServiceMetric.OUTPUT] = {START: 51}
    (found,) = compare([answered(10)], service, HOURS, ())
    assert (found.metric, found.service - found.at_most, found.missing) == (ServiceMetric.OUTPUT, 1, 0)


def test_calls_of_others_are_a_warning_unless_the_model_is_a_profile_of_ours() -> None:
    for model_id, is_error in ((MODEL, False), (PROFILE, True)):
        found = differences([answered(10, model_id)], {0: 2}, model_id)
        assert [each.metric for each in found] == list(ServiceMetric)
        assert {(each.is_error, each.missing) for each in found} == {(is_error, 0)}
        assert "Invocations 2, 1 more than the log" in found[0].sentence()


def test_a_model_that_the_log_has_no_call_of_is_looked_at_when_we_may_use_it() -> None:
    assert differences([], {0: 1}) == []
    assert differences([], {0: 1}, used=[MODEL]) != []


@pytest.mark.parametrize("counted", [0, 1])
def test_a_lost_answer_may_be_counted_or_not(counted: int) -> None:
    assert differences([lost(10)], {0: counted}) == []
    assert differences([lost(10)], {0: 2}) != []


@pytest.mark.parametrize("hour", [0, 1])
def test_what_a_killed_run_lost_may_be_counted_in_any_hour_until_its_claim_was_taken_over(hour: int) -> None:
    calls = [lost(70, is_abandoned=True)]
    assert differences(calls, {hour: 1}) == []
    assert differences(calls, {2: 1}) != []


@pytest.mark.parametrize("invocations", [0, 1])
def test_a_refused_call_may_count_as_an_invocation_and_has_no_tokens(invocations: int) -> None:
    first = START + timedelta(minutes=10)
    refused = LoggedCall(MODEL, first, first, NOTHING, REFUSED)
    service = {(MODEL, ServiceMetric.INVOCATIONS): {START: invocations}}
    assert compare([refused], service, HOURS, ()) == []
    service[MODEL, ServiceMetric.INPUT] = {START: 1}
    assert [each.metric for each in compare([refused], service, HOURS, ())] == [ServiceMetric.INPUT]


@pytest.mark.parametrize("hour", [0, 1])
def test_a_call_near_the_end_of_an_hour_may_count_in_either_but_must_count_in_one(hour: int) -> None:
    edge = 60 - EDGE.total_seconds() / 60 / 2
    assert differences([answered(edge)], {hour: 1}) == []
    found = differences([answered(edge)], {})
    assert [each.metric for each in found] == list(ServiceMetric)
    assert {(each.begin, each.end) for each in found} == {(START, START + 3 * HOUR)}


@pytest.mark.parametrize("minutes", [-1, 179])
def test_a_call_at_the_edge_of_all_hours_may_be_counted_outside_of_them(minutes: int) -> None:
    assert differences([answered(minutes)], {}) == []


def test_calls_of_other_hours_say_nothing() -> None:
    assert differences([answered(-30), answered(200)], {}) == []


def test_an_hour_is_closed_a_while_after_its_end() -> None:
    end = START + HOUR
    assert closed_hours(end + LAG, 2) == [START - HOUR, START]
    assert closed_hours(end + LAG - timedelta(seconds=1), 1) == [START - HOUR]


@given(
    st.builds(Usage, *(st.integers(0, 200_000) for _ in range(4))),
    st.builds(Price, *(st.integers(1, 75_000_000) for _ in range(4))),
    st.integers(0, 10**6),
)
def test_what_was_booked_for_a_lost_answer_covers_whatever_it_paid_for(usage: Usage, price: Price, more: int) -> None:
    most = most_of_lost_call(Usage(), cost_micro_usd(usage, price) + more, [PRICE, price])
    assert all(most[metric] >= value for metric, value in expected_of_answer(usage).items() if value)


def test_without_a_price_what_is_booked_of_tokens_is_the_most() -> None:
    assert most_of_lost_call(USAGE, 10**9, []) == ANSWER
    assert most_of_lost_call(Usage(), 500, [PRICE])[ServiceMetric.OUTPUT] == 100
