"""ResultLedger: an answer is kept once, its cost is booked with it, and two runs never ask the same at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from manga_enrichment.domain.outcomes.answers import (
    AbandonedClaim,
    Asked,
    Attempt,
    ClaimResult,
    LedgerEntry,
    Provenance,
)
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment_tests.contracts.conftest import RETENTION, Purse
from manga_enrichment_tests.contracts.entries import make_entry
from manga_enrichment_tests.fakes import FakeClock

MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number:04}" for number in range(count)]


def test_what_was_put_reads_back_equal(ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str) -> None:
    answer = make_entry(f"{unique}-answer", clock.now())
    failure = make_entry(f"{unique}-failure", clock.now(), answer=None)
    stands = ledger.put_many([answer, failure], purse.spender)
    assert stands == {answer.fingerprint: answer, failure.fingerprint: failure}
    assert ledger.get_many([f"{unique}-nothing", *stands]) == stands


def test_costs_are_booked_with_the_answers(ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str) -> None:
    ledger.put_many([make_entry(name, clock.now(), cost_micro_usd=11) for name in names(unique, 7)], purse.spender)
    assert purse.booked() == 77


def test_an_entry_that_cost_nothing_is_kept(ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str) -> None:
    free = make_entry(unique, clock.now(), cost_micro_usd=0)
    assert ledger.put_many([free], purse.spender) == {unique: free}
    assert ledger.get_many([unique]) == {unique: free}
    assert purse.booked() == 0


def test_what_is_booked_elsewhere_is_kept_and_not_booked_here(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    first, second = make_entry(f"{unique}-1", clock.now()), make_entry(f"{unique}-2", clock.now())
    ledger.put_many([first], purse.spender)
    booked = purse.booked()
    other = replace(first, provenance=replace(first.provenance, run_id="run-9"))
    assert ledger.put_many([other, second], None) == {first.fingerprint: first, second.fingerprint: second}
    assert purse.booked() == booked > 0


def test_the_first_answer_wins_and_both_are_paid_for(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    first = make_entry(unique, clock.now(), run_id="run-1", cost_micro_usd=100)
    second = make_entry(unique, clock.now(), run_id="run-2", cost_micro_usd=30)
    ledger.put_many([first], purse.spender)
    assert ledger.put_many([second], purse.spender) == {unique: first}
    assert ledger.get_many([unique]) == {unique: first}
    assert purse.booked() == 130


def test_two_answers_to_one_question_in_one_put_are_both_paid_for(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    first = make_entry(unique, clock.now(), run_id="run-1", cost_micro_usd=100)
    second = make_entry(unique, clock.now(), run_id="run-2", cost_micro_usd=30)
    assert ledger.put_many([first, second], purse.spender) == {unique: first}
    assert purse.booked() == 130


def test_the_very_same_put_again_books_nothing(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    entries = [make_entry(name, clock.now(), cost_micro_usd=10) for name in names(unique, 5)]
    ledger.put_many(entries[:3], purse.spender)
    ledger.put_many(entries[:3], purse.spender)
    ledger.put_many(entries, purse.spender)
    assert purse.booked() == 50


def test_more_entries_than_one_transaction_takes_are_all_kept(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    entries = [make_entry(name, clock.now(), cost_micro_usd=1) for name in names(unique, 205)]
    ledger.put_many(entries[::2], purse.spender)
    assert len(ledger.put_many(entries, purse.spender)) == 205
    assert ledger.get_many(names(unique, 205) * 2) == {entry.fingerprint: entry for entry in entries}
    assert purse.booked() == 205


def test_long_entries_are_kept_although_a_transaction_has_a_size_limit(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    answer = {"summary_ja": "長" * 30_000}
    entries = [make_entry(name, clock.now(), answer=answer, cost_micro_usd=1) for name in names(unique, 50)]
    ledger.put_many(entries, purse.spender)
    assert ledger.get_many(names(unique, 50)) == {entry.fingerprint: entry for entry in entries}
    assert purse.booked() == 50


def test_hours_of_throttling_before_an_answer_do_not_make_its_entry_too_large(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    entry = make_entry(unique, clock.now(), throttles=3_000, cost_micro_usd=77)
    stands = ledger.put_many([entry], purse.spender)[unique]
    assert ledger.put_many([entry], purse.spender) == {unique: stands}
    assert stands.answer == entry.answer
    assert stands.cost_micro_usd == 77
    assert stands.attempts[-1].number == 3_001
    assert purse.booked() == 77


def test_nothing_asked_is_nothing_done(ledger: ResultLedger, clock: FakeClock, purse: Purse) -> None:
    assert ledger.get_many([]) == {}
    assert ledger.put_many([], purse.spender) == {}
    assert ledger.claim_many({}, "a", clock.now(), clock.now() + MINUTE).granted == frozenset()
    ledger.release_many([], "a")


def test_a_claim_is_granted_to_one_owner_and_is_no_entry(ledger: ResultLedger, clock: FakeClock, unique: str) -> None:
    until = clock.now() + MINUTE
    assert ledger.claim_many({unique: 0}, "a", clock.now(), until).granted == {unique}
    other = ledger.claim_many({unique: 0}, "b", clock.now(), until)
    assert (other.granted, dict(other.answered), other.contended) == (frozenset(), {}, frozenset({unique}))
    assert ledger.get_many([unique]) == {}


def test_the_owner_renews_its_claim(ledger: ResultLedger, clock: FakeClock, unique: str) -> None:
    start = clock.now()
    ledger.claim_many({unique: 0}, "a", start, start + MINUTE)
    assert ledger.claim_many({unique: 0}, "a", start, start + 3 * MINUTE).granted == {unique}
    assert ledger.claim_many({unique: 0}, "b", start + 2 * MINUTE, start + 9 * MINUTE).contended == {unique}


def test_a_claim_is_taken_over_only_after_its_time(ledger: ResultLedger, clock: FakeClock, unique: str) -> None:
    start = clock.now().replace(microsecond=0)
    until = start + MINUTE
    ledger.claim_many({unique: 0}, "a", start, until)
    assert ledger.claim_many({unique: 0}, "b", until, until + MINUTE).contended == {unique}
    assert ledger.claim_many({unique: 0}, "b", until + MILLISECOND, until + MINUTE).granted == {unique}
    assert ledger.claim_many({unique: 0}, "a", until + MILLISECOND, until + MINUTE).contended == {unique}


def test_whoever_takes_over_a_claim_is_told_what_its_call_may_have_cost(
    ledger: ResultLedger, clock: FakeClock, unique: str
) -> None:
    now = clock.now()
    ledger.claim_many({unique: 70}, "a", now, now + MINUTE)
    ledger.claim_many({unique: 90}, "a", now, now + MINUTE)  # it says more now
    early = ledger.claim_many({unique: 5}, "b", now + MINUTE, now + 2 * MINUTE)
    assert (early.contended, early.lost) == ({unique}, {})
    taken = ledger.claim_many({unique: 5}, "b", now + 2 * MINUTE, now + 3 * MINUTE)
    assert (taken.granted, taken.lost) == ({unique}, {unique: 90})
    again = ledger.claim_many({unique: 5}, "c", now + 4 * MINUTE, now + 5 * MINUTE)
    assert again.lost == {unique: 95}, "the claim of b stands for what a left as well"


def test_a_claim_that_was_given_up_leaves_nothing_to_book(ledger: ResultLedger, clock: FakeClock, unique: str) -> None:
    now = clock.now()
    ledger.claim_many({unique: 70}, "a", now, now + MINUTE)
    ledger.release_many([unique], "a")
    taken = ledger.claim_many({unique: 5}, "b", now + 2 * MINUTE, now + 3 * MINUTE)
    assert (taken.granted, taken.lost) == ({unique}, {})


def test_of_many_claims_at_once_only_the_abandoned_ones_are_lost(
    ledger: ResultLedger, clock: FakeClock, unique: str
) -> None:
    now = clock.now()
    abandoned, free = [f"{unique}-{n}" for n in range(3)], [f"{unique}-free-{n}" for n in range(3)]
    ledger.claim_many(dict.fromkeys(abandoned, 7), "a", now, now + MINUTE)
    taken = ledger.claim_many(dict.fromkeys([*abandoned, *free], 1), "b", now + 2 * MINUTE, now + 3 * MINUTE)
    assert (taken.granted, dict(taken.lost)) == ({*abandoned, *free}, dict.fromkeys(abandoned, 7))


def test_a_claim_on_an_answered_question_brings_the_answer(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    entry = make_entry(unique, clock.now())
    ledger.put_many([entry], purse.spender)
    result = ledger.claim_many({unique: 0}, "a", clock.now(), clock.now() + MINUTE)
    assert (result.granted, result.answered, result.contended) == (frozenset(), {unique: entry}, frozenset())


def test_many_claims_at_once_are_told_apart(ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str) -> None:
    every = names(unique, 230)
    answered, contended, free = every[0::3], every[1::3], every[2::3]
    ledger.put_many([make_entry(name, clock.now()) for name in answered], purse.spender)
    ledger.claim_many(dict.fromkeys(contended, 0), "other", clock.now(), clock.now() + MINUTE)
    result = ledger.claim_many(dict.fromkeys(every, 0), "me", clock.now(), clock.now() + MINUTE)
    assert set(result.answered) == set(answered)
    assert result.contended == set(contended)
    assert result.granted == set(free)


def test_an_answer_replaces_any_claim(ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str) -> None:
    ledger.claim_many({unique: 0}, "other", clock.now(), clock.now() + MINUTE)
    entry = make_entry(unique, clock.now())
    assert ledger.put_many([entry], purse.spender) == {unique: entry}
    ledger.release_many([unique], "other")
    assert ledger.get_many([unique]) == {unique: entry}


def test_a_released_claim_is_free_for_others(ledger: ResultLedger, clock: FakeClock, unique: str) -> None:
    every = names(unique, 120)
    until = clock.now() + MINUTE
    ledger.claim_many(dict.fromkeys(every[:100], 0), "a", clock.now(), until)
    ledger.claim_many(dict.fromkeys(every[100:], 0), "b", clock.now(), until)
    ledger.release_many([f"{unique}-unknown", *every], "a")
    result = ledger.claim_many(dict.fromkeys(every, 0), "c", clock.now(), until)
    assert result.granted == set(every[:100])
    assert result.contended == set(every[100:])


def test_an_answer_past_its_retention_counts_as_missing(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    old = make_entry(unique, clock.now() - RETENTION + 2 * MINUTE, run_id="old", cost_micro_usd=5)
    ledger.put_many([old], purse.spender)
    assert ledger.get_many([unique]) == {unique: old}
    clock.advance(180)
    assert ledger.get_many([unique]) == {}
    new = make_entry(unique, clock.now(), run_id="new", cost_micro_usd=6)
    assert ledger.put_many([new], purse.spender) == {unique: new}
    assert ledger.get_many([unique]) == {unique: new}
    assert purse.booked() == 11


def test_an_answer_past_its_retention_can_be_claimed(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    ledger.put_many([make_entry(unique, clock.now() - RETENTION + MINUTE)], purse.spender)
    clock.advance(120)
    until = clock.now() + MINUTE
    assert ledger.claim_many({unique: 0}, "a", clock.now(), until).granted == {unique}
    assert ledger.claim_many({unique: 0}, "b", clock.now(), until).contended == {unique}


def test_concurrent_claims_grant_each_question_once(ledger: ResultLedger, clock: FakeClock, unique: str) -> None:
    every = names(unique, 30)
    now = clock.now()

    def claim(owner: int) -> frozenset[str]:
        mine = every[owner:] + every[:owner]
        return ledger.claim_many(dict.fromkeys(mine, 0), f"owner-{owner}", now, now + MINUTE).granted

    with ThreadPoolExecutor(8) as threads:
        granted = list(threads.map(claim, range(8)))
    assert sorted(name for each in granted for name in each) == every


def test_concurrent_answers_leave_one_standing_and_all_paid(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    rivals = [make_entry(unique, clock.now(), run_id=f"run-{number}", cost_micro_usd=10) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        standing = list(threads.map(lambda entry: ledger.put_many([entry], purse.spender)[unique], rivals))
    assert standing == [standing[0]] * 8
    assert purse.booked() == 80


def refused(name: str, clock: FakeClock, *, memory: int, stop_reason: str = "") -> LedgerEntry:
    entry = make_entry(name, clock.now(), answer=None, cost_micro_usd=0)
    attempt = Attempt(1, clock.now(), 5, error_class=ErrorClass.INVALID_REQUEST, stop_reason=stop_reason)
    return replace(entry, error_class=ErrorClass.INVALID_REQUEST, attempts=(attempt,), memory=memory)


def test_a_refusal_remembered_by_old_rules_is_asked_again_once(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    ledger.put_many([refused(unique, clock, memory=0)], purse.spender)
    assert ledger.get_many([unique]) == {}
    until = clock.now() + MINUTE
    assert ledger.claim_many({unique: 5}, "run-2", clock.now(), until).granted == {unique}
    assert ledger.claim_many({unique: 5}, "run-3", clock.now(), until).contended == {unique}
    again = refused(unique, clock, memory=1)
    assert ledger.put_many([again], purse.spender) == {unique: again}
    assert ledger.get_many([unique]) == {unique: again}
    assert ledger.claim_many({unique: 5}, "run-3", clock.now(), until).answered == {unique: again}


def test_an_answer_stands_in_place_of_a_refusal_remembered_by_old_rules_and_both_are_paid_for(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    ledger.put_many([refused(unique, clock, memory=0)], purse.spender)
    clock.advance(1)
    answers = [make_entry(f"{unique}-{name}", clock.now(), cost_micro_usd=8) for name in ("before", "after")]
    answer = make_entry(unique, clock.now(), cost_micro_usd=30)
    stands = ledger.put_many([answers[0], answer, answers[1]], purse.spender)
    assert stands == {each.fingerprint: each for each in (*answers, answer)}
    assert ledger.get_many([unique]) == {unique: answer}
    assert purse.booked() == 46


def test_of_those_who_take_over_a_claim_at_once_one_does_and_is_told_what_may_have_been_billed(
    ledger: ResultLedger, clock: FakeClock, unique: str
) -> None:
    now, every = clock.now(), names(unique, 30)
    ledger.claim_many(dict.fromkeys(every, 7), "dead", now, now + MINUTE)

    def take(owner: int) -> ClaimResult:
        until = now + 9 * MINUTE
        return ledger.claim_many(dict.fromkeys(every, 1), f"owner-{owner}", now + 2 * MINUTE, until)

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(take, range(8)))
    assert sorted(name for each in taken for name in each.granted) == every
    assert [dict(each.lost) for each in taken] == [dict.fromkeys(each.granted, 7) for each in taken]


def test_what_the_model_itself_said_stands_by_old_rules_too(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    said = refused(unique, clock, memory=0, stop_reason="model_context_window_exceeded")
    ledger.put_many([said], purse.spender)
    assert ledger.get_many([unique]) == {unique: said}


def asked(clock: FakeClock, run_id: str) -> Asked:
    paid = Provenance(run_id, "2026-11-22", "partner", "acme", "request:2")
    return Asked("MNG-AAAA0001", "content_summary", "0003", "some.model", "3", paid, clock.now())


def test_what_a_run_left_behind_is_found_and_nothing_else(
    ledger: ResultLedger, clock: FakeClock, purse: Purse, unique: str
) -> None:
    dead, alive = f"{unique}-dead", f"{unique}-alive"
    now, later = clock.now(), clock.now() + MINUTE
    answers = [make_entry(name, now, run_id=dead) for name in names(unique, 3)]
    ledger.put_many([*answers, make_entry(f"{unique}-other", now, run_id=alive)], purse.spender)
    about = asked(clock, dead)
    claims = {f"{unique}-{name}": stake for name, stake in (("open", 70), ("nothing", 0), ("silent", 9), ("given", 5))}
    ledger.claim_many(claims, dead, now, later, {each: about for each in claims if "silent" not in each})
    ledger.claim_many({f"{unique}-long": 8}, dead, now, later + 2 * MINUTE, {f"{unique}-long": about})
    ledger.release_many([f"{unique}-given"], dead)
    found = [each for each in ledger.left_behind([dead, "nobody"], later + MILLISECOND) if is_of(each, unique)]
    assert sorted(each.fingerprint for each in found) == sorted([*names(unique, 3), f"{unique}-open"])
    assert [each for each in found if isinstance(each, AbandonedClaim)] == [AbandonedClaim(f"{unique}-open", 70, about)]
    assert all(each in found for each in answers)


def is_of(found: LedgerEntry | AbandonedClaim, unique: str) -> bool:
    """The table is shared by tests."""
    return found.fingerprint.startswith(unique)


def test_a_claim_keeps_saying_what_it_is_for_when_it_is_taken_over(
    ledger: ResultLedger, clock: FakeClock, unique: str
) -> None:
    now, about, newer = clock.now(), asked(clock, "run-1"), asked(clock, "run-2")
    ledger.claim_many({unique: 70}, "first", now, now + MINUTE, {unique: about})
    ledger.claim_many({unique: 70}, "first", now, now + 2 * MINUTE, {unique: about})  # renewed
    ledger.claim_many({unique: 0}, "second", now + 3 * MINUTE, now + 4 * MINUTE)
    assert left(ledger, unique, now + 5 * MINUTE) == [AbandonedClaim(unique, 70, about)]
    ledger.claim_many({unique: 7}, "third", now + 5 * MINUTE, now + 6 * MINUTE, {unique: newer})
    assert left(ledger, unique, now + 7 * MINUTE) == [AbandonedClaim(unique, 77, newer)]


def left(ledger: ResultLedger, fingerprint: str, now: datetime) -> list[LedgerEntry | AbandonedClaim]:
    return [each for each in ledger.left_behind(["nobody"], now) if each.fingerprint == fingerprint]
