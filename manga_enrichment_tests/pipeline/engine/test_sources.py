"""Where an engine's calls come from."""

from collections.abc import Iterator

from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.sources import Listed
from manga_enrichment_tests.fakes import FakeClock
from manga_enrichment_tests.pipeline.engine.engine_rig import calls_of


async def test_listed_calls_come_in_order_so_many_at_a_time_and_in_the_end_none() -> None:
    calls = calls_of(5)
    listed = Listed(calls, FakeClock())
    assert [await listed.take(2) for _ in range(4)] == [calls[:2], calls[2:4], calls[4:], []]


async def test_calls_that_are_there_are_not_kept_waiting_by_those_that_take_long_to_make() -> None:
    clock, calls = FakeClock(), calls_of(7)

    def made() -> Iterator[Call]:
        for number, call in enumerate(calls):
            clock.advance(1.0 if number % 3 == 0 else 0.001)
            yield call

    listed = Listed(made(), clock)
    assert [await listed.take(5) for _ in range(4)] == [calls[:4], calls[4:7], [], []]
