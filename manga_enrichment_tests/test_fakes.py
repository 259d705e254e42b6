"""The fakes themselves: virtual time is ordered and honest, scripted answers are valid."""

import asyncio
import threading
from datetime import timedelta

import pytest

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment.gateways.model import ModelCall
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.fakes import START, FakeClock, ScriptedModel, valid_answer


async def test_sleepers_wake_in_the_order_of_their_time_and_of_lying_down() -> None:
    clock = FakeClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic_seconds()))

    await asyncio.gather(sleeper("c", 3), sleeper("a", 1), sleeper("b", 3), sleeper("d", 3600))
    assert woken == [("a", 1.0), ("c", 3.0), ("b", 3.0), ("d", 3600.0)]
    assert clock.now() == START + timedelta(hours=1)


async def test_time_stands_still_while_anyone_can_still_run() -> None:
    clock = FakeClock()
    nap = asyncio.create_task(clock.sleep(1))
    for _ in range(1000):
        await asyncio.sleep(0)
        assert clock.monotonic_seconds() == 0.0
    await nap
    assert clock.monotonic_seconds() == 1.0


async def test_time_stands_still_while_a_worker_function_runs() -> None:
    clock = FakeClock()
    nap = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    seen = [await asyncio.to_thread(clock.monotonic_seconds) for _ in range(20)]
    assert seen == [0.0] * 20
    await nap


async def test_a_worker_functions_error_reaches_its_caller() -> None:
    FakeClock().monotonic_seconds()
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 // 0)


async def test_a_cancelled_sleeper_does_not_move_time() -> None:
    clock = FakeClock()
    long_nap = asyncio.create_task(clock.sleep(500))
    await clock.sleep(1)
    long_nap.cancel()
    await clock.sleep(1)
    assert clock.monotonic_seconds() == 2.0


async def test_a_program_that_only_waits_for_timers_is_reported_not_run_for_ever() -> None:
    clock = FakeClock()

    async def keep() -> None:
        while True:
            await clock.sleep(40)

    with pytest.raises(RuntimeError, match="virtual time ran away"):
        await keep()


def test_one_clock_serves_one_event_loop_after_another() -> None:
    clock = FakeClock()
    asyncio.run(clock.sleep(5))
    asyncio.run(clock.sleep(5))
    clock.advance(2)
    assert clock.monotonic_seconds() == 12.0


def test_the_fake_clock_can_be_read_from_other_threads() -> None:
    clock = FakeClock()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(clock.now()))
    thread.start()
    thread.join()
    assert seen == [START]


async def test_the_real_clock_tells_utc_and_waits() -> None:
    clock = SystemClock()
    before = clock.monotonic_seconds()
    await clock.sleep(0.01)
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic_seconds() > before


RECORDS = [
    MangaRecord(
        manga_id="MNG-AAAA0001", title="Harbour", synopsis="Two friends keep a shop open by the sea. " * 4, authors=()
    ),
    MangaRecord(manga_id="MNG-AAAA0002", title="港の店", synopsis="友人二人が海辺の小さな店を守る物語。" * 6),
    MangaRecord(manga_id="MNG-AAAA0003", title="Rated", content_rating="teen", publisher_genres=("drama",)),
]
CANDIDATES = tuple(Candidate(f"MNG-BBBB000{number}", f"Other {number}", "a: hint") for number in range(5))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.manga_id)
@pytest.mark.parametrize("name", ANALYSES)
def test_the_default_answer_of_the_scripted_model_is_valid(name: str, record: MangaRecord) -> None:
    analysis = ANALYSES[name]
    inputs = title_inputs(analysis, record, CANDIDATES, "note: for a partner")
    prompt = build_prompt(analysis, inputs, load_models().resolve("haiku"))
    assert answer_problems(analysis, valid_answer(prompt), inputs) == []


async def test_the_scripted_model_follows_its_script_per_title_and_attempt() -> None:
    clock = FakeClock()
    model = ScriptedModel(clock, {"MNG-AAAA0001": [ErrorClass.THROTTLED, {"themes": []}]}, latency_seconds=0.5)
    spec = load_models().resolve("haiku")
    analysis = ANALYSES["genre_classification"]
    requests = [
        ModelCall(spec, build_prompt(analysis, title_inputs(analysis, record), spec), 400) for record in RECORDS
    ]
    with pytest.raises(ModelError, match="throttled"):
        await model.converse(requests[0])
    assert (await model.converse(requests[0])).answer == {"themes": []}
    await asyncio.gather(*(model.converse(request) for request in requests))
    assert model.max_in_flight == 3
    assert model.attempts_for("MNG-AAAA0001") == 3
    assert [sent.at for sent in model.sent] == [0.0, 0.5, 1.0, 1.0, 1.0]
