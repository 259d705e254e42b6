"""Killed runs whose questions nobody asks again: what they paid is logged, what was on its way is booked, once."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from manga_enrichment.domain.outcomes.answers import Asked, LedgerEntry, Provenance
from manga_enrichment.gateways.budget import SPENDER_LINGER
from manga_enrichment.pipeline.engine.money.budget import NO_CAPS, day_counter, scopes_of
from manga_enrichment.pipeline.health.left_behind import LeftBehind, account_for_killed_runs
from manga_enrichment.pipeline.log.append import log_entries
from manga_enrichment.pipeline.log.read import read_log
from manga_enrichment_tests.contracts.entries import make_entry
from manga_enrichment_tests.fakes import FakeClock, MemoryBudget, MemoryLedger, MemoryTables
from manga_enrichment_tests.kill_switch import Killed, KillSwitch, Mortal

DAY = "2026-11-22"
ANSWER_MICRO_USD, STAKE_MICRO_USD = 173, 59
LEASE = timedelta(minutes=2)
MOST_CALLS = 40


@dataclass
class World:
    """A partner's run and a night that were killed with one answer saved and one call on its way, each."""

    clock: FakeClock = field(default_factory=FakeClock)
    tables: MemoryTables = field(default_factory=MemoryTables)
    switch: KillSwitch = field(default_factory=KillSwitch)

    def __post_init__(self) -> None:
        self.budget = MemoryBudget()
        self.ledger = MemoryLedger(self.clock, self.budget)
        self.kill_a_run(Provenance("run-p", DAY, "partner", "acme"), "flex")
        self.kill_a_run(Provenance("run-n", DAY, "schedule"), "")

    def kill_a_run(self, paid: Provenance, tier: str) -> None:
        now, spender = self.clock.now(), f"{paid.run_id}:content_summary:0"
        assert self.budget.reserve(scopes_of(paid, NO_CAPS), spender, 2_000, now + LEASE)
        lost = f"{paid.run_id}-lost"
        about = Asked("MNG-AAAA0002", "content_summary", "0003", "some.model", "1", paid, now, tier)
        self.ledger.claim_many({lost: STAKE_MICRO_USD}, spender, now, now + LEASE, {lost: about})
        self.ledger.put_many([self.answer(paid)], spender)

    def answer(self, paid: Provenance) -> LedgerEntry:
        made = make_entry(f"{paid.run_id}-answer", self.clock.now(), cost_micro_usd=ANSWER_MICRO_USD, throttles=0)
        return replace(made, provenance=paid)

    def account(self) -> LeftBehind:
        stores: list[Any] = [Mortal(each, self.switch) for each in (self.tables, self.ledger, self.budget)]
        now = self.clock.now()
        return account_for_killed_runs(*stores, days=[DAY], now=now, owner=f"look-{now}")

    def logged(self) -> list[dict[str, Any]]:
        columns = ["dagster_run_id", "manga_id", "cost_micro_usd", "maybe_billed", "partner_id", "service_tier"]
        return [row for part in read_log(self.tables, DAY, columns) for row in part.to_pylist()]

    def assert_books_agree(self) -> None:
        assert sorted((row["dagster_run_id"], row["cost_micro_usd"], row["maybe_billed"]) for row in self.logged()) == [
            ("run-n", STAKE_MICRO_USD, True),
            ("run-n", ANSWER_MICRO_USD, False),
            ("run-p", STAKE_MICRO_USD, True),
            ("run-p", ANSWER_MICRO_USD, False),
        ]
        both = STAKE_MICRO_USD + ANSWER_MICRO_USD
        assert self.budget.spent(day_counter(DAY)) == (2 * both, 2 * both)
        assert self.budget.spent("run:run-p") == self.budget.spent(f"partner:acme:{DAY}") == (both, both)
        assert not self.ledger.claimed


@pytest.fixture
def world() -> World:
    return World()


def test_nothing_is_read_while_no_run_was_killed(world: World) -> None:
    world.ledger.failures_left = 1
    assert world.account() == LeftBehind()
    assert world.ledger.failures_left == 1


def test_answers_are_logged_and_calls_on_their_way_are_booked(world: World) -> None:
    world.clock.advance(3_600)
    assert world.account() == LeftBehind(runs=2, answers=2, booked=2)
    world.assert_books_agree()
    lost = [row for row in world.logged() if row["maybe_billed"]]
    assert {(row["manga_id"], row["partner_id"], row["service_tier"]) for row in lost} == {
        ("MNG-AAAA0002", "acme", "flex"),
        ("MNG-AAAA0002", None, None),
    }


def test_looking_again_changes_nothing_and_ends(world: World) -> None:
    for seconds in (600, 600, SPENDER_LINGER.total_seconds() + 600):
        world.clock.advance(seconds)
        world.account()
        world.assert_books_agree()
    assert world.account() == LeftBehind()


def test_what_was_logged_already_is_logged_once(world: World) -> None:
    log_entries(world.tables, world.ledger.entries.values())
    world.clock.advance(3_600)
    world.account()
    world.assert_books_agree()


def test_a_run_that_lives_keeps_its_claims(world: World) -> None:
    paid = Provenance("run-alive", DAY, "schedule")
    world.clock.advance(3_600)
    now = world.clock.now()
    about = Asked("MNG-AAAA0003", "content_summary", "0003", "some.model", "1", paid, now)
    world.ledger.claim_many({"mine": 5}, "run-alive:x", now, now + LEASE, {"mine": about})
    world.account()
    assert world.ledger.claimed == {"mine": "run-alive:x"}


@pytest.mark.parametrize("after_effect", [False, True])
def test_killed_at_any_call_the_next_look_books_nothing_twice(*, after_effect: bool) -> None:
    ends = 0
    for calls in range(MOST_CALLS):
        world = World()
        world.clock.advance(3_600)
        world.switch.arm(calls, after_effect=after_effect)
        try:
            world.account()
            ends += 1
        except Killed:
            pass
        world.switch.revive()
        world.clock.advance(600)
        world.account()
        world.assert_books_agree()
    assert 0 < ends < MOST_CALLS - 8, "it was killed at every call, and then at none"
