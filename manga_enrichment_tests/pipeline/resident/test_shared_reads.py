"""Reads of the ledger that threads share: fewer calls, to each its own, nothing older than a read of its own finds."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.resident.shared_reads import MOST_TOGETHER, SharedReads
from manga_enrichment_tests.fakes import START

THREADS = 12
PATIENCE_SECONDS = 60.0


def entry(fingerprint: str) -> LedgerEntry:
    provenance = Provenance("run", "2026-01-01", "test")
    return LedgerEntry(fingerprint, Outcome.SUCCEEDED, "a", "m", "0", "model", "1", provenance, START)


class Ledger:
    """EntryReader whose first read goes on until it is let go on. reads: what each asked for."""

    def __init__(self, known: Sequence[str]) -> None:
        self.known = {each: entry(each) for each in known}
        self.reads: list[list[str]] = []
        self.began, self.may_go_on = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def get_many(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        found = {each: self.known[each] for each in fingerprints if each in self.known}
        self.reads.append(list(fingerprints))
        if len(self.reads) == 1:
            self.began.set()
            assert self.may_go_on.wait(PATIENCE_SECONDS)
        elif self.error is not None:
            raise self.error
        return found


class Together:
    """One read that is under way, and others that wait behind it, in the order in which they came."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.reads = SharedReads(ledger)
        self._pool = ThreadPoolExecutor(THREADS + 1)
        self.first = self._pool.submit(self.reads.get_many, ["first"])
        assert ledger.began.wait(PATIENCE_SECONDS)

    def wish(self, *fingerprints: str) -> "Future[dict[str, LedgerEntry]]":
        waiting = self.reads.waiting
        wished = self._pool.submit(self.reads.get_many, list(fingerprints))
        while self.reads.waiting == waiting:
            threading.Event().wait(0.001)
        return wished

    def go_on(self) -> None:
        self.ledger.may_go_on.set()
        self._pool.shutdown()


def test_one_that_comes_alone_is_read_at_once() -> None:
    ledger = Ledger(["a", "b"])
    ledger.may_go_on.set()
    reads = SharedReads(ledger)
    assert reads.get_many(["a", "x"]) == {"a": entry("a")}
    assert reads.get_many(["b"]) == {"b": entry("b")}
    assert ledger.reads == [["a", "x"], ["b"]]


def test_those_that_come_while_one_is_read_share_the_next_read_and_each_has_its_own() -> None:
    together = Together(Ledger([f"known {number}" for number in range(0, THREADS, 2)]))
    wishes = [together.wish(f"known {number}", "shared") for number in range(THREADS)]
    together.go_on()
    assert together.first.result() == {}
    expected = [{f"known {number}": entry(f"known {number}")} if number % 2 == 0 else {} for number in range(THREADS)]
    assert [each.result() for each in wishes] == expected
    assert len(together.ledger.reads) == 2
    assert sorted(together.ledger.reads[1]) == sorted([*(f"known {number}" for number in range(THREADS)), "shared"])


def test_what_was_saved_before_a_wish_is_found_by_it() -> None:
    together = Together(Ledger([]))
    together.ledger.known["new"] = entry("new")  # after the read that is under way has looked
    wish = together.wish("new", "first")
    together.go_on()
    assert wish.result() == {"new": entry("new")}


def test_no_more_go_together_than_one_call_reads() -> None:
    together = Together(Ledger([]))
    each = MOST_TOGETHER // 2 - 1
    wishes = [together.wish(*(f"{wish}:{number}" for number in range(each))) for wish in range(5)]
    together.go_on()
    assert [wish.result() for wish in wishes] == [{}] * 5
    assert sorted(len(read) for read in together.ledger.reads[1:]) == [each, 2 * each, 2 * each]


def test_many_at_once_are_read_alone_and_wait_for_nobody() -> None:
    together = Together(Ledger(["many 7"]))
    many = [f"many {number}" for number in range(MOST_TOGETHER)]
    assert together.reads.get_many(many) == {"many 7": entry("many 7")}
    together.go_on()
    assert together.ledger.reads == [["first"], many]


def test_an_error_is_everybodys_who_waited_for_that_read_and_nobodys_after_it() -> None:
    together = Together(Ledger(["a", "b"]))
    together.ledger.error = StoreUnavailableError("away")
    wishes = [together.wish("a"), together.wish("b")]
    together.go_on()
    assert together.first.result() == {}
    for wish in wishes:
        with pytest.raises(StoreUnavailableError, match="away"):
            wish.result()
    together.ledger.error = None
    assert together.reads.get_many(["a"]) == {"a": entry("a")}
