"""A request only moves forward, ends once, and starts again only as a new generation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from manga_enrichment.domain.requests.states import (
    TRANSITIONS,
    RequestState,
    TransitionError,
    is_answered,
    is_final,
    may_follow,
    moved,
    settled_state,
    states_before,
)

STATES = st.sampled_from(RequestState)


def test_the_states_are_those_of_the_requirements() -> None:
    assert {state.value for state in RequestState} == {
        "accepted",
        "received",
        "queued",
        "processing",
        "completed",
        "partially_completed",
        "cancelled",
        "failed",
        "rejected",
        "deferred",
    }
    assert set(TRANSITIONS) == set(RequestState)


@pytest.mark.parametrize("end", ["completed", "partially_completed", "cancelled", "failed", "rejected", "deferred"])
def test_the_usual_way_leads_to_every_end(end: str) -> None:
    state = RequestState.RECEIVED
    for following in (RequestState.QUEUED, RequestState.PROCESSING, RequestState(end)):
        state = moved(state, following)
    assert state == end


@pytest.mark.parametrize("present", ["received", "queued"])
def test_nothing_is_answered_before_it_was_worked_on(present: str) -> None:
    assert not may_follow(RequestState(present), RequestState.COMPLETED)
    assert not may_follow(RequestState(present), RequestState.PARTIALLY_COMPLETED)


def test_a_request_of_a_conversation_needs_no_run_of_its_own() -> None:
    assert may_follow(RequestState.RECEIVED, RequestState.PROCESSING)


def test_a_move_that_is_not_allowed_names_both_states() -> None:
    with pytest.raises(TransitionError, match=r"completed cannot become processing"):
        moved(RequestState.COMPLETED, RequestState.PROCESSING)


@given(STATES, STATES)
def test_no_two_different_states_follow_each_other_both_ways(one: RequestState, other: RequestState) -> None:
    assert one is other or not (may_follow(one, other) and may_follow(other, one))


@given(STATES)
def test_writing_the_same_state_again_is_no_move(state: RequestState) -> None:
    assert moved(state, state) is state


@given(STATES, STATES)
def test_the_condition_of_a_write_names_exactly_the_states_that_may_come_before(
    present: RequestState, following: RequestState
) -> None:
    assert (present in states_before(following)) == may_follow(present, following)


def test_accepted_and_deferred_requests_come_by_themselves_so_they_are_not_final() -> None:
    assert {state for state in RequestState if is_final(state)} == {
        RequestState.COMPLETED,
        RequestState.PARTIALLY_COMPLETED,
        RequestState.CANCELLED,
        RequestState.FAILED,
        RequestState.REJECTED,
    }


@pytest.mark.parametrize(
    ("answered", "failed", "deferred", "state"),
    [
        (3, 0, 0, RequestState.COMPLETED),
        (2, 1, 0, RequestState.PARTIALLY_COMPLETED),
        (0, 3, 0, RequestState.FAILED),
        (2, 0, 1, RequestState.DEFERRED),
        (0, 2, 1, RequestState.DEFERRED),
    ],
)
def test_a_request_settles_by_its_items(answered: int, failed: int, deferred: int, state: RequestState) -> None:
    assert settled_state(answered=answered, failed=failed, deferred=deferred) is state


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"answered": 2, "cancelled": 1}, RequestState.CANCELLED),
        ({"answered": 1, "failed": 1, "cancelled": 1}, RequestState.CANCELLED),
        ({"cancelled": 3}, RequestState.CANCELLED),
        ({"cancelled": 1, "deferred": 1}, RequestState.DEFERRED),
    ],
)
def test_a_request_of_which_something_was_not_asked_any_more_is_cancelled(
    counts: dict[str, int], state: RequestState
) -> None:
    assert settled_state(**{"answered": 0, "failed": 0, "deferred": 0, **counts}) is state


@given(st.integers(0, 100), st.integers(1, 100), st.integers(0, 100))
def test_a_batch_with_failed_items_is_never_silently_complete(answered: int, failed: int, deferred: int) -> None:
    assert settled_state(answered=answered, failed=failed, deferred=deferred) is not RequestState.COMPLETED


@pytest.mark.parametrize("counts", [(0, 0, 0), (-1, 2, 0), (1, -1, 0), (1, 0, -1)])
def test_without_items_there_is_nothing_to_settle(counts: tuple[int, int, int]) -> None:
    answered, failed, deferred = counts
    with pytest.raises(ValueError, match="counts"):
        settled_state(answered=answered, failed=failed, deferred=deferred)


class Request(RuleBasedStateMachine):
    """Writers that obey the rules, in any order, with crashes and duplicate deliveries in between."""

    def __init__(self) -> None:
        super().__init__()
        self.state: RequestState | None = None
        self.generation = 0
        self.answers = 0

    @rule()
    def deliver(self) -> None:
        if self.state is None or not is_answered(self.state):
            self.state = RequestState.RECEIVED
            self.generation += 1

    @precondition(lambda self: self.state is not None)
    @rule(following=STATES)
    def write(self, following: RequestState) -> None:
        assert self.state is not None
        if may_follow(self.state, following):
            self.answers += is_answered(following) and following is not self.state
            self.state = following

    @invariant()
    def it_is_answered_at_most_once_and_stays_so(self) -> None:
        assert self.answers <= 1
        assert self.answers == (self.state is not None and is_answered(self.state))


TestRequest = Request.TestCase
