"""What could not be put into DynamoDB lies on S3, and is put there once, whoever does it and however often."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.usage import cost_micro_usd
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.gateways.budget import BudgetScope
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.arrears import Arrears
from manga_enrichment.pipeline.log.arrears import keep_arrears, settle_arrears
from manga_enrichment.pipeline.store.object_keys import arrears_key, arrears_prefix
from manga_enrichment_tests.builders import (
    World,
    entry,
    model_of,
    open_budget_settings,
    provenance,
    put_catalog,
    record,
)
from manga_enrichment_tests.fakes import MemoryLedger, MemoryTables, ScriptedModel
from manga_enrichment_tests.kill_switch import Behind, Killed, KillSwitch, Mortal, Outage

NAME = "reading_level"
DAY = f"day:{provenance().run_date}"
TITLES = 12
DENIED = ConfigurationError("access to the table was denied")
AWAY = StoreUnavailableError("the store is away")


def answers(count: int = 3) -> tuple[LedgerEntry, ...]:
    return tuple(entry(NAME, record(number)) for number in range(count))


COST = sum(each.cost_micro_usd for each in answers())


def arrears(**changes: object) -> Arrears:
    whole = Arrears("run-1:reading_level:0:answers", (DAY, "run:run-1"), answers(), 7, "run-1", ("a claim",))
    return replace(whole, **changes)  # type: ignore[arg-type]


def settle(world: World) -> int:
    return settle_arrears(world.tables, world.ledger, world.budget, world.clock.now())


def assert_settled(world: World) -> None:
    assert world.budget.spent(DAY) == world.budget.spent("run:run-1") == (COST + 7, COST + 7)
    assert sorted(world.ledger.entries.values(), key=lambda each: each.manga_id) == list(answers())
    assert world.logged_cost_micro_usd() == COST
    assert world.ledger.claimed == {}


def kept(world: World) -> World:
    world.ledger.claim_many({"a claim": 99}, "run-1", world.clock.now(), world.clock.now())
    keep_arrears(world.tables, arrears())
    return world


def test_what_is_kept_is_logged_at_once_and_put_where_it_belongs_later() -> None:
    world = kept(World())
    assert world.logged_cost_micro_usd() == COST
    assert world.budget.spent(DAY) == (0, 0)
    assert settle(world) == 3
    assert_settled(world)


def test_what_is_settled_is_over() -> None:
    world = kept(World())
    assert (settle(world), settle(world)) == (3, 0)
    assert_settled(world)


def test_two_who_settle_the_same_book_it_once() -> None:
    world = kept(World())
    document = world.tables.read_json(arrears_key(arrears().name))
    assert document
    settle(world)
    world.tables.write_json(arrears_key(arrears().name), document)  # the other one has read it before
    settle(world)
    assert_settled(world)


@pytest.mark.parametrize("after_effect", [False, True])
def test_settling_can_be_killed_at_any_call(after_effect: bool) -> None:
    calls = 0
    while True:
        world, switch = kept(World()), KillSwitch()
        switch.arm(calls, after_effect=after_effect)
        mortal = (Mortal(each, switch) for each in (world.tables, world.ledger, world.budget))
        with suppress(Killed):
            settle_arrears(*mortal, world.clock.now())  # type: ignore[misc]
            break
        settle(world)
        assert_settled(world)
        calls += 1
    assert calls == 8


def test_an_answer_that_had_reached_the_ledger_is_not_booked_again() -> None:
    world = World()
    world.budget.reserve([BudgetScope(DAY, 10**6), BudgetScope("run:run-1", 10**6)], "run-1", 0, world.clock.now())
    world.ledger.put_many(answers()[:1], "run-1")  # the word of it was lost
    world.budget.close("run-1")
    settle(kept(world))
    assert_settled(world)


def test_an_answer_that_came_second_is_paid_for_and_logged_all_the_same() -> None:
    world = World()
    other = entry(NAME, record(0), run_id="run-2")
    world.ledger.put_many([other], "run-2")
    settle(kept(world))
    assert world.ledger.entries[other.fingerprint] == other
    assert world.budget.spent(DAY) == (COST + 7, COST + 7)
    assert world.logged_cost_micro_usd() == COST


def test_a_claim_that_somebody_else_has_by_now_is_left_alone() -> None:
    world = kept(World())
    world.clock.advance(120)
    world.ledger.claim_many({"a claim": 5}, "run-2", world.clock.now(), world.clock.now())
    settle(world)
    assert world.ledger.claimed == {"a claim": "run-2"}


@pytest.mark.parametrize("document", [{"name": "of another version"}, {"name": 1, "counters": []}])
def test_one_that_cannot_be_read_holds_up_nobody_and_stays(document: dict[str, object]) -> None:
    world = kept(World())
    world.tables.write_json(f"{arrears_prefix()}0.json", document)
    assert settle(world) == 3
    assert_settled(world)
    assert world.tables.read_json(f"{arrears_prefix()}0.json") == document


def test_while_the_store_is_still_away_nothing_is_lost() -> None:
    world = kept(World())
    outage = Outage(error=AWAY)
    outage.begin()
    with pytest.raises(StoreUnavailableError):
        settle_arrears(world.tables, world.ledger, Behind(world.budget, outage), world.clock.now())  # type: ignore[arg-type]
    settle(world)
    assert_settled(world)


# Whole runs, from whose every call of DynamoDB on nothing more is taken


class Night:
    """One analysis of a small catalog; DynamoDB and S3 of it can go away."""

    def __init__(self, error: Exception) -> None:
        settings = open_budget_settings()
        self.world = World(settings=replace(settings, engine=replace(settings.engine, deadline_seconds=300)))
        put_catalog(self.world.tables, [record(number) for number in range(TITLES)])
        self.world.model = ScriptedModel(self.world.clock, latency_seconds=1.0)
        self.dynamodb, self.s3 = Outage(error=error), Outage(error=AWAY)
        self.world.budget = Behind(self.world.budget, self.dynamodb)  # type: ignore[assignment]
        self.world.ledger = Behind(self.world.ledger, self.dynamodb)  # type: ignore[assignment]
        self.world.plan(selected=[NAME])

    def struck(self, after_calls: int) -> int:
        """How many calls were refused."""
        self.dynamodb.begin(after_calls)
        with suppress(ConfigurationError, StoreUnavailableError):
            self.world.invoke(NAME)
        return self.dynamodb.refused

    def heal(self) -> None:
        """The next run, which claims that nobody gave up hold up for a while."""
        self.dynamodb.end()
        self.s3.end()
        self.world.run("run-2", [NAME])

    def assert_books_hold(self) -> None:
        world, log = self.world, self.world.log()
        meter = len(world.model.sent) * cost_micro_usd(world.model.usage, model_of(world.analyses[NAME]).price)
        logged, maybe = world.logged_cost_micro_usd(), sum(row["cost_micro_usd"] for row in log if row["maybe_billed"])
        assert logged - maybe <= meter <= logged
        assert world.budget.close_abandoned([DAY], world.clock.now()) is not None
        assert world.budget.spent(DAY) == (logged, logged)
        assert len(world.answers(NAME)) == TITLES


def nights(error: Exception, strike: Callable[[Night, int], int]) -> list[Night]:
    """A night for every call of DynamoDB as the one from which on it is away, healed."""
    ended: list[Night] = []
    while True:
        night = Night(error)
        refused = strike(night, len(ended))
        night.heal()
        night.world.clock.advance(600)
        if not refused:
            return ended
        ended.append(night)


@pytest.mark.parametrize("error", [DENIED, AWAY], ids=["denied", "away"])
def test_of_a_run_that_dynamodb_leaves_at_any_call_nothing_is_asked_again_or_unbooked(error: Exception) -> None:
    for night in nights(error, Night.struck):
        night.assert_books_hold()
        assert len(night.world.model.sent) == TITLES
        assert not any(row["maybe_billed"] for row in night.world.log())


def test_when_both_stores_are_away_what_was_asked_may_have_been_billed() -> None:
    def both(night: Night, after_calls: int) -> int:
        night.world.tables = Behind(night.world.tables, night.s3)  # type: ignore[assignment]
        wait = night.dynamodb.take_call

        def take_call() -> None:
            if night.dynamodb.is_on and not night.s3.is_on:
                night.s3.begin()
            wait()

        night.dynamodb.take_call = take_call  # type: ignore[method-assign]
        return night.struck(after_calls)

    found = nights(DENIED, both)
    for night in found:
        night.assert_books_hold()
    assert any(row["maybe_billed"] for night in found for row in night.world.log())


def test_nothing_is_kept_where_there_is_nothing_to_keep() -> None:
    world = World()
    put_catalog(world.tables, [record(number) for number in range(TITLES)])
    world.run(selected=[NAME])
    assert isinstance(world.ledger, MemoryLedger)
    assert isinstance(world.tables, MemoryTables)
    assert world.tables.list_keys(arrears_prefix()) == []
