"""Group commit: entries that arrive together are written together, each exactly once, none lost."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.group_commit import GOOD_COMPANY, MAX_GROUP, LedgerWriter
from manga_enrichment.pipeline.engine.money.budget import RunBudget
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry
from manga_enrichment_tests.contracts.entries import make_entry
from manga_enrichment_tests.fakes import FakeClock, MemoryBudget, MemoryLedger


class Recording(MemoryLedger):
    """Remembers the size of each group; takes its time for it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock, MemoryBudget())
        self.groups: list[int] = []
        self.broken_left = 0
        self.write_seconds = 0.0
        self._takes = clock.advance

    def put_many(self, entries: Sequence[LedgerEntry], spender: str | None) -> dict[str, LedgerEntry]:
        if self.broken_left:
            self.broken_left -= 1
            raise ZeroDivisionError
        self.groups.append(len(entries))
        self._takes(self.write_seconds)
        return super().put_many(entries, spender)


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = Recording(self.clock)
        self.writer = LedgerWriter(
            self.ledger,
            RunBudget(MemoryBudget(), [], "spender", self.clock),
            self.clock,
            OutageRetry(self.clock, until=600),
        )

    def entries(self, count: int, **changes: Any) -> list[LedgerEntry]:
        return [make_entry(f"entry-{number}", self.clock.now(), **changes) for number in range(count)]

    async def save_all(self, entries: Sequence[LedgerEntry]) -> list[Any]:
        writing = asyncio.create_task(self.writer.write_groups())
        try:
            return await asyncio.gather(*(self.writer.save(entry) for entry in entries), return_exceptions=True)
        finally:
            writing.cancel()


async def test_entries_that_arrive_together_are_written_together() -> None:
    stage = Stage()
    entries = stage.entries(200)
    assert await stage.save_all(entries) == entries
    assert len(stage.ledger.groups) <= 4
    assert max(stage.ledger.groups) <= MAX_GROUP
    assert sum(stage.ledger.groups) == 200


async def test_a_group_waits_for_company_while_writes_are_slow() -> None:
    stage = Stage()
    stage.ledger.write_seconds = 0.02
    stage.clock.advance(1_000)
    first, *others = stage.entries(5, latency_ms=4)
    writing = asyncio.create_task(stage.writer.write_groups())
    await stage.writer.save(first)
    assert stage.clock.monotonic_seconds() == pytest.approx(1_000 + 0.02), "the first waits for nobody"

    async def later(entry: LedgerEntry, seconds: float) -> None:
        await stage.clock.sleep(seconds)
        await stage.writer.save(entry)

    arrivals = [0.0, 0.003, 0.009, 0.011]
    await asyncio.gather(*(later(entry, at) for entry, at in zip(others, arrivals, strict=True)))
    writing.cancel()
    assert stage.ledger.groups == [1, 3, 1], "half as long as the last write took"


async def saved_at(stage: Stage, arrivals: Sequence[float], latency_ms: int) -> list[float]:
    """When answers are saved that come at these seconds and took so long; each write takes 10 ms."""
    stage.ledger.write_seconds = 0.01
    writing = asyncio.create_task(stage.writer.write_groups())

    async def save(entry: LedgerEntry, at: float) -> float:
        await stage.clock.sleep(at)
        await stage.writer.save(entry)
        return stage.clock.monotonic_seconds()

    entries = stage.entries(len(arrivals), latency_ms=latency_ms)
    seconds = await asyncio.gather(*(save(entry, at) for entry, at in zip(entries, arrivals, strict=True)))
    writing.cancel()
    return [round(each, 4) for each in seconds]


MANY = [0.0] * GOOD_COMPANY


async def test_while_answers_come_in_numbers_they_leave_together_every_50_ms() -> None:
    stage = Stage()
    saved = await saved_at(stage, [*MANY, 0.02, 0.03, *[0.049] * GOOD_COMPANY, 0.07], latency_ms=3_000)
    assert saved == [*[0.01] * GOOD_COMPANY, *[0.06] * (GOOD_COMPANY + 2), 0.11]
    assert stage.ledger.groups == [GOOD_COMPANY, GOOD_COMPANY + 2, 1]


async def test_one_that_comes_alone_leaves_at_once_and_a_few_do_not_wait_for_many() -> None:
    stage = Stage()
    assert await saved_at(stage, [*MANY, 0.3, 0.32, 0.326], latency_ms=3_000) == [
        *[0.01] * GOOD_COMPANY,
        0.31,
        0.33,
        0.345,
    ]


async def test_answers_that_took_less_wait_less() -> None:
    assert (await saved_at(Stage(), [*MANY, 0.02], latency_ms=100))[-1] == 0.035, "a quarter of 100 ms apart"
    assert (await saved_at(Stage(), [*MANY, 0.02], latency_ms=4))[-1] == 0.03, "nobody comes in so short a time"


async def test_a_group_that_is_full_waits_for_nobody() -> None:
    arrivals = [0.0] * 3 * MAX_GROUP
    stage = Stage()
    assert set(await saved_at(stage, arrivals, latency_ms=3_000)) == {0.01, 0.02, 0.03}
    assert stage.ledger.groups == [MAX_GROUP] * 3


async def test_who_was_there_first_stands() -> None:
    stage = Stage()
    [first] = stage.entries(1, run_id="run-1")
    stage.ledger.put_many([first], "other")
    assert await stage.save_all(stage.entries(1, run_id="run-2")) == [first]


async def test_an_outage_loses_nothing() -> None:
    stage = Stage()
    stage.ledger.failures_left = 10
    entries = stage.entries(5)
    assert await stage.save_all(entries) == entries
    assert stage.ledger.groups == [5] * 11, "refused ten times, then written"


async def test_at_the_deadline_everyone_who_waits_gets_the_error() -> None:
    stage = Stage()
    stage.ledger.failures_left = 10**9
    results = await stage.save_all(stage.entries(5))
    assert [type(result) for result in results] == [StoreUnavailableError] * 5


async def test_an_error_that_no_ledger_promises_reaches_everyone_who_waits_and_the_writer_goes_on() -> None:
    stage = Stage()
    stage.ledger.broken_left = 1
    first, second = stage.entries(2)
    writing = asyncio.create_task(stage.writer.write_groups())
    with pytest.raises(ZeroDivisionError):
        await stage.writer.save(first)
    assert await stage.writer.save(second) == second
    writing.cancel()


async def test_one_entry_can_be_saved_without_the_group() -> None:
    stage = Stage()
    (entry,) = stage.entries(1)
    assert await stage.writer.save_now(entry) == entry
    assert (set(stage.ledger.entries), stage.ledger.groups) == ({"entry-0"}, [1])


async def test_who_stopped_waiting_does_not_disturb_the_others() -> None:
    stage = Stage()
    entries = stage.entries(3)
    saving = [asyncio.create_task(stage.writer.save(entry)) for entry in entries]
    await asyncio.sleep(0)  # until all of them wait
    saving[1].cancel()
    writing = asyncio.create_task(stage.writer.write_groups())
    assert [await saving[0], await saving[2]] == [entries[0], entries[2]]
    assert set(stage.ledger.entries) == {"entry-0", "entry-1", "entry-2"}
    writing.cancel()


class Gone(BaseException):
    """What ends the writer and is no error of a gateway."""


class Ending(Recording):
    def put_many(self, entries: Sequence[LedgerEntry], spender: str | None) -> dict[str, LedgerEntry]:
        raise Gone


async def test_nobody_waits_for_a_writer_that_is_gone() -> None:
    stage = Stage()
    ledger = Ending(stage.clock)
    writer = LedgerWriter(
        ledger, RunBudget(MemoryBudget(), [], "spender", stage.clock), stage.clock, OutageRetry(stage.clock, until=600)
    )
    writing = asyncio.create_task(writer.write_groups())
    first, second = stage.entries(2)
    with pytest.raises(StoreUnavailableError, match="nobody writes"):
        await writer.save(first)
    with pytest.raises(Gone):
        await writing
    with pytest.raises(StoreUnavailableError, match="nobody writes"):
        await writer.save(second)
