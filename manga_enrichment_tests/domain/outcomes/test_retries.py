"""How often one call may be tried again."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass, Retry
from manga_enrichment.domain.outcomes.retries import LONGEST_PAUSE_SECONDS, REFRESH_SECONDS, RetryState

classes = st.sampled_from(ErrorClass)


@given(st.lists(classes, max_size=40), st.booleans())
def test_each_kind_of_retry_is_granted_as_often_as_the_table_says(failures: list[ErrorClass], room: bool) -> None:
    state = RetryState()
    granted: Counter[Retry] = Counter()
    for failure in failures:
        if state.may_retry(failure, room_for_larger_limit=room, now_seconds=0):
            granted[TREATMENTS[failure].retry] += 1
    kinds = Counter(TREATMENTS[failure].retry for failure in failures)
    for free in (Retry.UNTIL_DEADLINE, Retry.REFRESH_FOR_A_WHILE):
        assert granted[free] == kinds[free]
    assert granted[Retry.NEVER] == 0
    for once in (Retry.ONCE, Retry.REPAIR_ONCE):
        assert granted[once] == min(1, kinds[once])
    assert granted[Retry.LARGER_LIMIT_ONCE] == (min(1, kinds[Retry.LARGER_LIMIT_ONCE]) if room else 0)


@given(classes, st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_and_stay_bounded(failure: ErrorClass, times: int, jitter: float) -> None:
    state = RetryState()
    pauses = []
    for _ in range(times):
        state.may_retry(failure, room_for_larger_limit=True, now_seconds=0)
        pauses.append(state.pause_seconds(failure, jitter))
    assert pauses == sorted(pauses)
    assert all(0 <= pause <= LONGEST_PAUSE_SECONDS for pause in pauses)


@pytest.mark.parametrize("failure", [ErrorClass.INVALID_ANSWER, ErrorClass.MAX_TOKENS, ErrorClass.EXPIRED_CREDENTIALS])
def test_what_waiting_does_not_mend_is_not_waited_for(failure: ErrorClass) -> None:
    state = RetryState()
    state.may_retry(failure, room_for_larger_limit=True, now_seconds=0)
    assert state.pause_seconds(failure, 0.9) == 0


def refused(state: RetryState, now_seconds: float) -> bool:
    return state.may_retry(ErrorClass.EXPIRED_CREDENTIALS, room_for_larger_limit=True, now_seconds=now_seconds)


def test_credentials_are_refreshed_for_a_while_and_no_longer() -> None:
    state = RetryState()
    began = 1_000.0
    assert [refused(state, began + each) for each in (0, 1, REFRESH_SECONDS - 1)] == [True] * 3
    assert state.pause_seconds(ErrorClass.EXPIRED_CREDENTIALS, 0) > 0
    assert not refused(state, began + REFRESH_SECONDS)


def test_credentials_that_were_taken_in_between_have_their_while_again() -> None:
    state = RetryState()
    assert refused(state, 0)
    state.may_retry(ErrorClass.THROTTLED, room_for_larger_limit=True, now_seconds=REFRESH_SECONDS - 1)
    assert refused(state, REFRESH_SECONDS + 1)
    assert state.pause_seconds(ErrorClass.EXPIRED_CREDENTIALS, 0) == 0
