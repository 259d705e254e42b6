"""Claims: held while a call is open, renewed, given up, never brought back after a goodbye."""

import asyncio
from datetime import timedelta

import pytest

from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.calls import EngineSettings
from manga_enrichment.pipeline.engine.claims import Claims
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry
from manga_enrichment_tests.fakes import FakeClock, MemoryBudget, MemoryLedger


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger(self.clock, MemoryBudget())
        self.outage_retry = OutageRetry(self.clock, until=3_600)

    def claims(self, owner: str = "run-1") -> Claims:
        return Claims(self.ledger, owner, self.clock, self.outage_retry, EngineSettings())


async def test_what_one_run_claims_another_finds_elsewhere() -> None:
    stage = Stage()
    assert (await stage.claims("run-1").take({"a": 0, "b": 0})).granted == {"a", "b"}
    result = await stage.claims("run-2").take({"b": 0, "c": 0})
    assert result.granted == {"c"}
    assert result.contended == {"b"}


async def test_claims_are_renewed_as_long_as_they_are_held() -> None:
    stage = Stage()
    claims = stage.claims()
    await claims.take({"a": 0})
    keeping = asyncio.create_task(claims.keep())
    await stage.clock.sleep(1_000)
    assert (await stage.claims("run-2").take({"a": 0})).contended == {"a"}
    keeping.cancel()
    await stage.clock.sleep(61)
    assert (await stage.claims("run-2").take({"a": 0})).contended == {"a"}, "its owner's clock may be behind ours"
    await stage.clock.sleep(MOST_CLOCK_SKEW.total_seconds())
    assert (await stage.claims("run-2").take({"a": 0})).granted == {"a"}


async def test_a_claim_that_was_taken_over_is_renewed_with_what_the_last_owner_may_have_paid() -> None:
    stage = Stage()
    now = stage.clock.now()
    stage.ledger.claim_many({"a": 100}, "run-9", now, now)
    await stage.clock.sleep(MOST_CLOCK_SKEW.total_seconds() + 1)
    claims = stage.claims()
    assert (await claims.take({"a": 30, "b": 7})).lost == {"a": 100}
    await claims.raise_stake("a", 20)
    await claims.raise_stake("never held", 20)
    assert stage.ledger.at_stake == {"a": 150, "b": 7}


async def test_a_renewal_that_fails_is_made_up_for_at_the_next_turn() -> None:
    stage = Stage()
    claims = stage.claims()
    await claims.take({"a": 0})
    stage.ledger.failures_left = 1
    keeping = asyncio.create_task(claims.keep())
    await stage.clock.sleep(100)
    assert (await stage.claims("run-2").take({"a": 0})).contended == {"a"}
    keeping.cancel()


async def test_released_claims_are_free_at_once_and_settled_ones_are_left_alone() -> None:
    stage = Stage()
    claims = stage.claims()
    await claims.take({"a": 0, "b": 0, "c": 0})
    claims.settled("b")
    await claims.release(["a", "b", "never held"])
    assert set(stage.ledger.claimed) == {"b", "c"}
    await claims.release_all()
    assert set(stage.ledger.claimed) == {"b"}


async def test_released_claims_are_not_renewed() -> None:
    stage = Stage()
    claims = stage.claims()
    await claims.take({"a": 0})
    keeping = asyncio.create_task(claims.keep())
    await stage.clock.sleep(30)
    await claims.release_all()
    await stage.clock.sleep(60)
    assert stage.ledger.claimed == {}
    keeping.cancel()


async def test_a_failed_release_is_told_and_the_claims_run_out() -> None:
    stage = Stage()
    claims = stage.claims()
    await claims.take({"a": 0})
    stage.ledger.failures_left = 1
    with pytest.raises(StoreUnavailableError):
        await claims.release_all()
    now = stage.clock.now() + timedelta(seconds=61)
    assert stage.ledger.claim_many({"a": 0}, "run-2", now, now).granted == {"a"}
