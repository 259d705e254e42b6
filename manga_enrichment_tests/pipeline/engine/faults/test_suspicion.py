"""Refusals in words that nobody knows: whose fault they are, and what is remembered of them."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.engine.calls import CallResult
from manga_enrichment.pipeline.engine.faults.suspicion import MANY, SEVERAL
from manga_enrichment.pipeline.engine.sources import Inbox
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import DEFAULT_USAGE, Step, valid_answer
from manga_enrichment_tests.pipeline.engine.engine_rig import EngineRig, call_of, calls_of, cancelled, classes, numbers
from manga_enrichment_tests.scripted_model import prompt_fields_of


def refusal(number: int, words: str = "the setting is odd") -> ModelError:
    return ModelError(ErrorClass.REQUEST_REFUSED, f"ValidationException: {words} (request {number}f3)")


def all_refused(titles: Sequence[int], words: str = "the setting is odd") -> dict[str, list[Step]]:
    return {title_id(number): [refusal(number, words)] for number in titles}


def fast_refusals(refused: Mapping[str, object]) -> EngineRig:
    """As Bedrock is: a refusal is there in no time, an answer takes a while."""

    def latency(call: ModelCall) -> float:
        return 0.01 if prompt_fields_of(call.prompt)["manga_id"] in refused else 5.0

    return EngineRig(latency_seconds=latency, script=refused)  # type: ignore[arg-type]


@pytest.mark.parametrize("concurrency", [1, 4, 64])
async def test_when_all_are_refused_alike_the_analysis_stops_and_nothing_is_remembered(concurrency: int) -> None:
    world = fast_refusals(all_refused(range(1, 201)))
    engine = world.engine(concurrency=concurrency)
    results = await world.run(calls_of(200), engine)
    assert numbers(results) == numbers([CallResult(each, results[0].outcome) for each in calls_of(200)])
    assert len(world.model.sent) <= SEVERAL - 1 + concurrency
    assert classes(results)["account_refused"] == len(world.model.sent)
    assert set(classes(results)) <= {"account_refused", "stopped"}
    assert engine.endings.stopped_by is ErrorClass.ACCOUNT_REFUSED
    assert "the setting is odd" in engine.endings.stopped_message
    assert (world.ledger.entries, world.ledger.claimed) == ({}, {})


async def test_the_next_run_asks_again_by_itself() -> None:
    is_broken = True

    def step(call: ModelCall) -> ModelReply:
        if is_broken:
            raise refusal(1)
        return ModelReply("tool_use", valid_answer(call.prompt), DEFAULT_USAGE)

    world = EngineRig(otherwise=step)
    nights = [await world.run(calls_of(20), world.engine(f"run-{night}")) for night in range(3)]
    is_broken = False
    nights.append(await world.run(calls_of(20), world.engine("run-3")))
    assert [classes(results)["account_refused"] > 0 for results in nights] == [True, True, True, False]
    assert classes(nights[-1]) == {"answered": 20}


@pytest.mark.parametrize(
    ("refused", "concurrency"),
    [
        *itertools.product([[1], [10], [20], [18, 19, 20], [1, 10, 20]], [1, 4, 64]),
        ([1, 2, 3, 4], 64),  # 4 at once, or one after the other: just what a wrong setting looks like
    ],
)
async def test_a_title_that_fails_where_its_neighbours_are_answered_is_at_fault(
    refused: list[int], concurrency: int
) -> None:
    world = fast_refusals(all_refused(refused))
    results = await world.run(calls_of(20), world.engine(concurrency=concurrency))
    assert classes(results) == {"invalid_request": len(refused), "answered": 20 - len(refused)}
    kept = [each for each in world.ledger.entries.values() if each.error_class is ErrorClass.INVALID_REQUEST]
    assert sorted(each.manga_id for each in kept) == [title_id(number) for number in refused]
    assert all(each.attempts[-1].error_class is ErrorClass.INVALID_REQUEST for each in kept)


@pytest.mark.parametrize("count", [1, SEVERAL - 1])
async def test_a_few_titles_alone_prove_nothing(count: int) -> None:
    world = EngineRig(all_refused(range(1, count + 1)))
    results = await world.run(calls_of(count))
    assert classes(results) == {"request_refused": count}
    assert (world.ledger.entries, world.ledger.claimed) == ({}, {})


async def test_a_setting_that_changes_in_the_middle_is_no_titles_fault() -> None:
    world = EngineRig(all_refused(range(51, 101)))
    engine = world.engine(concurrency=2)
    results = await world.run(calls_of(100), engine)
    assert classes(results)["answered"] == 50
    assert engine.endings.stopped_by is ErrorClass.ACCOUNT_REFUSED
    assert MANY <= classes(results)["account_refused"] <= MANY + 2
    assert not any(each.error_class for each in world.ledger.entries.values())


async def test_many_titles_refused_in_as_many_words_stop_the_analysis_too() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    script: dict[str, list[Step]] = {
        title_id(number): [refusal(number, f"no {letters[number]}")] for number in range(1, 26)
    }
    results = await (world := EngineRig(script)).run(calls_of(25), world.engine(concurrency=1))
    assert classes(results) == {"account_refused": MANY, "stopped": 25 - MANY}


async def test_refused_answers_are_replies_as_well() -> None:
    """What the model says of a title proves that the account may ask."""
    script: dict[str, list[Step]] = all_refused([1])
    world = EngineRig({**script, title_id(2): [{"level": "nobody"}, {"level": "nobody"}]})
    results = await world.run(calls_of(2))
    assert classes(results) == {"invalid_request": 1, "invalid_answer": 1}


async def test_of_an_inbox_nothing_waits_for_neighbours_that_may_never_come() -> None:
    world, inbox, results = EngineRig(all_refused([1])), Inbox(), list[CallResult]()
    running = asyncio.create_task(world.engine().run(inbox, results.append))
    inbox.put([call_of(1)])
    await world.until(lambda: len(results) == 1)
    assert classes(results) == {"request_refused": 1}
    inbox.put([call_of(2)])
    await world.until(lambda: len(results) == 2)
    inbox.close()
    await running
    assert classes(results) == {"request_refused": 1, "answered": 1}
    assert len(world.ledger.entries) == 1


async def test_what_waits_is_told_when_the_run_is_cut() -> None:
    world, results = fast_refusals(all_refused([1])), list[CallResult]()
    running = asyncio.create_task(world.engine(concurrency=4).run(calls_of(9), results.append))
    await world.until(lambda: len(world.model.sent) == 5)
    assert await cancelled(running)
    assert classes(results)["request_refused"] == 1
    assert world.ledger.claimed == {}


@settings(max_examples=40)
@given(
    refused=st.sets(st.integers(1, 30)),
    concurrency=st.integers(1, 8),
    slow=st.sets(st.integers(1, 30)),
)
def test_no_title_is_remembered_unless_another_was_answered_and_each_is_told_once(
    refused: set[int], concurrency: int, slow: set[int]
) -> None:
    names = {title_id(number) for number in slow}

    def latency(call: ModelCall) -> float:
        return 9.0 if prompt_fields_of(call.prompt)["manga_id"] in names else 0.5

    async def run() -> None:
        world = EngineRig(all_refused(sorted(refused)), latency_seconds=latency)
        results = await world.run(calls_of(30), world.engine(concurrency=concurrency))
        assert numbers(results) == [title_id(number) for number in range(1, 31)]
        kept = list(world.ledger.entries.values())
        assert not kept or any(each.error_class is None for each in kept)
        assert world.ledger.claimed == {}

    asyncio.run(run())
