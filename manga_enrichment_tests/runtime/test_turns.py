"""Turns of threads are short for a while, and as they were afterwards."""

import sys

import pytest

from manga_enrichment.runtime.turns import SHORT_TURN_SECONDS, short_turns


def test_turns_are_short_within_the_block_alone_also_when_it_fails() -> None:
    before = sys.getswitchinterval()
    assert before > SHORT_TURN_SECONDS

    def fail() -> None:
        with short_turns():
            assert sys.getswitchinterval() == pytest.approx(SHORT_TURN_SECONDS)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert sys.getswitchinterval() == pytest.approx(before)


def test_turns_that_are_shorter_stay_so() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SHORT_TURN_SECONDS / 2)
    try:
        with short_turns():
            assert sys.getswitchinterval() == pytest.approx(SHORT_TURN_SECONDS / 2)
        assert sys.getswitchinterval() == pytest.approx(SHORT_TURN_SECONDS / 2)
    finally:
        sys.setswitchinterval(before)
