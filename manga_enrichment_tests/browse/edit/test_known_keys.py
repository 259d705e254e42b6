"""Keys of the door are fetched seldom: not again within an hour, and not without end for whoever names unknown ones."""

import pytest

from manga_enrichment.browse.edit.identity import CannotTellError, NobodyError
from manga_enrichment.browse.edit.known_keys import FETCHES_PER_MINUTE, KEPT_SECONDS, MAX_KEPT, KnownKeys
from manga_enrichment_tests.door import public_pem
from manga_enrichment_tests.fake_clock import FakeClock


class Counted:
    """Has a key of every id."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def fetch(self, key_id: str) -> str | None:
        self.asked.append(key_id)
        return None if key_id.startswith("unknown") else public_pem()


def test_a_key_is_fetched_once_an_hour() -> None:
    clock, door = FakeClock(), Counted()
    keys = KnownKeys(door.fetch, clock)
    assert keys.key("a") is keys.key("a") is not keys.key("b")
    clock.advance(KEPT_SECONDS)
    keys.key("a")
    assert door.asked == ["a", "b", "a"]


def test_whoever_names_unknown_keys_makes_us_ask_a_few_times_a_minute() -> None:
    clock, door = FakeClock(), Counted()
    keys = KnownKeys(door.fetch, clock)
    known = keys.key("a")
    for number in range(FETCHES_PER_MINUTE - 1):
        with pytest.raises(NobodyError, match="no key of the id"):
            keys.key(f"unknown-{number}")
    with pytest.raises(CannotTellError, match="too many"):
        keys.key("unknown-again")
    assert keys.key("a") is known  # those who are known are not kept out
    assert len(door.asked) == FETCHES_PER_MINUTE
    clock.advance(60)
    keys.key("b")
    assert door.asked[-1] == "b"


def test_a_few_keys_are_kept() -> None:
    clock, door = FakeClock(), Counted()
    keys = KnownKeys(door.fetch, clock)
    for number in range(MAX_KEPT + 1):
        keys.key(f"k{number}")
        clock.advance(10)
    keys.key(f"k{MAX_KEPT}")
    assert len(door.asked) == MAX_KEPT + 1
    keys.key("k0")  # the oldest made room
    assert len(door.asked) == MAX_KEPT + 2


@pytest.mark.parametrize("key_id", [None, "", 7, "../up", "a/b", "a?b", "a b", "a" * 65, "a\n"])
def test_an_id_that_would_be_more_than_a_name_is_never_asked_for(key_id: object) -> None:
    door = Counted()
    with pytest.raises(NobodyError, match="names no key"):
        KnownKeys(door.fetch, FakeClock()).key(key_id)
    assert door.asked == []
