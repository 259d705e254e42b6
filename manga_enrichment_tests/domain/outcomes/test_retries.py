"""How often one call may be tried again."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass, Retry
from manga_enrichment.domain.outcomes.retries import LONGEST_PAUSE_SECONDS, RetryState

classes = st.sampled_from(ErrorClass)


@given(st.lists(classes, max_size=40), st.booleans())
def test_each_kind_of_retry_is_granted_as_often_as_the_table_says(failures: list[ErrorClass], room: bool) -> None:
    state = RetryState()
    granted: Counter[Retry] = Counter()
    for failure in failures:
        if state.may_retry(failure, room_for_larger_limit=room):
            granted[TREATMENTS[failure].retry] += 1
    kinds = Counter(TREATMENTS[failure].retry for failure in failures)
    assert granted[Retry.UNTIL_DEADLINE] == kinds[Retry.UNTIL_DEADLINE]
    assert granted[Retry.NEVER] == 0
    for once in (Retry.ONCE, Retry.REFRESH_ONCE, Retry.REPAIR_ONCE):
        assert granted[once] == min(1, kinds[once])
    assert granted[Retry.LARGER_LIMIT_ONCE] == (min(1, kinds[Retry.LARGER_LIMIT_ONCE]) if room else 0)


@given(classes, st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_and_stay_bounded(failure: ErrorClass, times: int, jitter: float) -> None:
    state = RetryState()
    pauses = []
    for _ in range(times):
        state.may_retry(failure, room_for_larger_limit=True)
        pauses.append(state.pause_seconds(failure, jitter))
    assert pauses == sorted(pauses)
    assert all(0 <= pause <= LONGEST_PAUSE_SECONDS for pause in pauses)


@pytest.mark.parametrize("failure", [ErrorClass.INVALID_ANSWER, ErrorClass.MAX_TOKENS, ErrorClass.EXPIRED_CREDENTIALS])
def test_what_waiting_does_not_mend_is_not_waited_for(failure: ErrorClass) -> None:
    state = RetryState()
    state.may_retry(failure, room_for_larger_limit=True)
    assert state.pause_seconds(failure, 0.9) == 0
