"""The judge finds every kind of wrong book, one at a time, and nothing in right ones."""

from dataclasses import replace

import pytest

from manga_enrichment_tests.chaos.judge import Account, Facts, Sum, judge, needless
from manga_enrichment_tests.chaos.processes import Ending

ACCOUNT = Account(
    meter=Sum(11, 1_050),
    log=Sum(12, 1_100),
    maybe=Sum(2, 100),
    paid_twice=1,
    counted_micro_usd=1_100,
    open_micro_usd=0,
    answers={"f1": ("MNG-1", "reading_level")},
)
GOOD = Facts(
    struck=3, seconds=8, ending=Ending(ended=True, success=True, seconds=12), account=ACCOUNT, model_struck=True
)


def broken(facts: Facts) -> list[str]:
    return [rule.name for rule in judge(facts) if not rule.holds]


def test_right_books_break_no_rule() -> None:
    assert broken(GOOD) == []


@pytest.mark.parametrize(
    ("account", "rules"),
    [
        (replace(ACCOUNT, meter=Sum(11, 1_101)), ["books"]),  # a micro-dollar that is in no book
        (replace(ACCOUNT, meter=Sum(11, 999)), ["books"]),  # one in the books that nobody charged for certain
        (replace(ACCOUNT, meter=Sum(13, 1_050)), ["books"]),  # a call more than the log has
        (replace(ACCOUNT, meter=Sum(9, 1_050)), ["books"]),
        (replace(ACCOUNT, counted_micro_usd=1_099), ["counters"]),
        (replace(ACCOUNT, open_micro_usd=1), ["counters"]),
        (replace(ACCOUNT, unlogged=("f1",)), ["ledger"]),
        (replace(ACCOUNT, paid_twice=3), ["paid twice"]),
    ],
)
def test_wrong_books_break_their_rule(account: Account, rules: list[str]) -> None:
    assert broken(replace(GOOD, account=account)) == rules


def test_the_bounds_themselves_are_within_the_rule() -> None:
    for meter in (Sum(10, 1_000), Sum(12, 1_100)):
        assert broken(replace(GOOD, account=replace(ACCOUNT, meter=meter))) == []
    assert broken(replace(GOOD, account=replace(ACCOUNT, paid_twice=2))) == []


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (replace(GOOD, struck=0), "struck"),
        (replace(GOOD, model_struck=False), "kept"),
        (replace(GOOD, broken=("3 calls while the brake was on",)), "promised"),
        (replace(GOOD, lost=("MNG-1 has no outcome of reading_level",)), "lost"),
        (replace(GOOD, ending=Ending(ended=True, success=True, seconds=309)), "ended"),
        (replace(GOOD, ending=Ending(ended=False, success=True, seconds=12)), "ended"),
        (replace(GOOD, ending=Ending(ended=True, success=False, seconds=12)), "survived"),
        (replace(GOOD, unhealed=("MNG-1 is deferred",)), "healed"),
        (replace(GOOD, needless=1), "healed"),
    ],
)
def test_what_became_of_the_work_breaks_its_rule(facts: Facts, rule: str) -> None:
    assert broken(facts) == [rule]


def test_only_what_somebody_must_mend_may_end_a_night() -> None:
    ended = replace(GOOD, ending=Ending(ended=True, success=False, seconds=12, reasons=("Access was denied",)))
    assert broken(ended) == ["survived"]
    assert broken(replace(ended, may_fail=True)) == []


def test_a_call_is_needless_when_all_it_asks_for_was_answered() -> None:
    answered = {"f1": ("MNG-1", "full_enrichment"), "f2": ("MNG-2", "reading_level")}
    single, combined = "reading_level", "full_enrichment"
    sent = [
        {"manga_id": "MNG-1", "analysis": single},  # a part of the combined answer
        {"manga_id": "MNG-2", "analysis": single},
        {"manga_id": "MNG-2", "analysis": combined},  # only a part of it was there
        {"manga_id": "MNG-3", "analysis": single},
    ]
    assert needless(sent, answered) == 2
