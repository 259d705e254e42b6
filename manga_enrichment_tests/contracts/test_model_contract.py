"""FoundationModel: a complete reply with usage, or a ModelError that says what kind of failure it was.

The fake is told to fail by its script, the real gateway meets the same failures over HTTP.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

import pytest

from manga_enrichment.aws.bedrock.calls import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.models.guardrails import Guarding
from manga_enrichment.domain.models.usage import NO_USAGE, Usage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.domain.prompts.conversations import CONVERSATION, conversation_inputs
from manga_enrichment.gateways.model import FoundationModel, ModelReply, Repair
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.analyses import ANALYSES, FOR_PARTNERS
from manga_enrichment_tests.contracts.prompts import guarded_request, inputs, make_request, model
from manga_enrichment_tests.fakes import FakeClock, ScriptedModel, Step

CALL_TIMEOUT_SECONDS = 0.5

FAILURES: dict[ErrorClass, dict[str, Any]] = {
    ErrorClass.THROTTLED: {"throttle_probability": 1.0},
    ErrorClass.SERVICE_UNAVAILABLE: {"error_probability": 1.0},
    ErrorClass.READ_TIMEOUT: {"hang_probability": 1.0},
    ErrorClass.MODEL_TIMEOUT: {"hang_probability": 1.0, "hang_limit_seconds": 0.05},
    ErrorClass.TRUNCATED_ANSWER: {"truncated_probability": 1.0},
    ErrorClass.EMPTY_ANSWER: {"empty_probability": 1.0},
}
IN_WORDS = ModelReply("end_turn", None, Usage(900, 10), "I can't help with this title.")
FILTERED = ModelReply("content_filtered", None, Usage(900, 10), "blocked")


BLOCKS_REPLY = {"blocks": ["Tea at the Edge"]}
"""The title stands in the prompt, unmarked, and the stand-in names it in its reply."""


class Stage(Protocol):
    """A model and the means to make it fail."""

    model: FoundationModel

    def play(self, step: Step, **switches: Any) -> None:
        """From now on: this step on the fake, these fault switches on the server."""
        ...


class FakeStage:
    def __init__(self) -> None:
        self.model: FoundationModel = ScriptedModel(FakeClock())

    def play(self, step: Step, **switches: Any) -> None:
        self.model = ScriptedModel(FakeClock(), otherwise=step)


class RealStage:
    def __init__(self, gateway: BedrockModel, server: ModelServerControl) -> None:
        self.model: FoundationModel = gateway
        self._server = server

    def play(self, step: Step, **switches: Any) -> None:
        self._server.faults(**switches)


@pytest.fixture
async def stage(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    if kind == "fake":
        yield FakeStage()
        return
    server: ModelServerControl = request.getfixturevalue("model_server")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    server.reset()
    gateway = BedrockModel(clients, concurrency=8, call_timeout_seconds=CALL_TIMEOUT_SECONDS)
    yield RealStage(gateway, server)
    await gateway.close()
    server.reset()


@pytest.mark.parametrize("analysis", FOR_PARTNERS)
async def test_an_answer_is_valid_and_says_what_it_used(stage: Stage, analysis: str) -> None:
    reply = await stage.model.converse(make_request(analysis))
    assert reply.stop_reason == "tool_use"
    assert reply.answer is not None
    assert answer_problems(FOR_PARTNERS[analysis], reply.answer, inputs(FOR_PARTNERS[analysis])) == []
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0


@pytest.mark.parametrize("error_class", FAILURES)
async def test_a_failure_has_its_class(stage: Stage, error_class: ErrorClass) -> None:
    stage.play(error_class, **FAILURES[error_class])
    with pytest.raises(ModelError) as caught:
        await stage.model.converse(make_request())
    assert caught.value.error_class is error_class
    assert caught.value.message


async def test_after_a_failure_the_same_model_answers(stage: Stage) -> None:
    stage.play(ErrorClass.TRUNCATED_ANSWER, truncated_probability=1.0)
    with pytest.raises(ModelError):
        await stage.model.converse(make_request())
    stage.play(None)
    assert (await stage.model.converse(make_request())).answer


async def test_the_servers_wish_to_wait_is_passed_on(stage: Stage) -> None:
    wish = ModelError(ErrorClass.THROTTLED, "slow down", retry_after_seconds=30.0)
    stage.play(wish, quota={"requests_per_minute": 2, "burst_seconds": 0.001})
    with pytest.raises(ModelError) as caught:
        await asyncio.gather(*(stage.model.converse(make_request()) for _ in range(3)))
    assert caught.value.error_class is ErrorClass.THROTTLED
    assert caught.value.retry_after_seconds is not None
    assert 0 < caught.value.retry_after_seconds <= 60


async def test_a_refusal_in_words_is_a_reply_without_an_answer(stage: Stage) -> None:
    stage.play(IN_WORDS, refusal_probability=1.0)
    reply = await stage.model.converse(make_request())
    assert (reply.stop_reason, reply.answer) == ("end_turn", None)
    assert reply.text
    assert reply.usage.output_tokens > 0


async def test_a_filtered_answer_tells_so_by_its_stop_reason(stage: Stage) -> None:
    stage.play(FILTERED, content_filtered_probability=1.0)
    reply = await stage.model.converse(make_request())
    assert (reply.stop_reason, reply.answer) == ("content_filtered", None)


async def test_an_answer_that_breaks_the_schema_is_handed_on_for_judgement(stage: Stage) -> None:
    stage.play({"not_in_the_schema": True}, invalid_answer_probability=1.0)
    reply = await stage.model.converse(make_request())
    assert reply.answer is not None
    analysis = ANALYSES["genre_classification"]
    problems = tuple(answer_problems(analysis, reply.answer, inputs(analysis)))
    assert problems
    stage.play(None, invalid_answer_probability=1.0)  # the server answers a repair turn well
    repaired = await stage.model.converse(make_request(repair=Repair(reply.answer, problems)))
    assert repaired.answer is not None
    assert answer_problems(analysis, repaired.answer, inputs(analysis)) == []


async def test_many_calls_run_at_once(stage: Stage) -> None:
    stage.play(None, latency={"fixed_ms": 100})
    replies = await asyncio.gather(*(stage.model.converse(make_request()) for _ in range(8)))
    assert len({str(reply.answer) for reply in replies}) == 1


async def test_a_call_can_be_cancelled_and_the_model_goes_on(stage: Stage) -> None:
    stage.play(None, latency={"fixed_ms": 300})
    call = asyncio.create_task(stage.model.converse(make_request()))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await stage.model.converse(make_request())).answer


async def test_a_model_can_be_closed_twice(stage: Stage) -> None:
    await stage.model.converse(make_request())
    await stage.model.close()
    await stage.model.close()


async def test_credentials_can_be_refreshed_by_many_at_once(
    stage: Stage, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "real":
        request.getfixturevalue("aws_environment")
    await asyncio.gather(*(stage.model.refresh_credentials() for _ in range(8)))
    assert (await stage.model.converse(make_request())).answer


@pytest.mark.parametrize("name", ["haiku", "sonnet", "anthropic.claude-3-haiku-20240307-v1:0"])
async def test_each_kind_of_model_answers_with_or_without_a_forced_tool(stage: Stage, name: str) -> None:
    assert (await stage.model.converse(make_request(spec=model(name)))).answer


async def test_a_model_that_answers_is_reachable(stage: Stage) -> None:
    await stage.model.check_reachable()


async def test_a_guarded_question_is_answered_in_words_and_tells_what_its_guardrail_looked_at(stage: Stage) -> None:
    call = guarded_request()
    reply = await stage.model.converse(call)
    assert reply.stop_reason == "end_turn"
    assert reply.answer is not None
    assert answer_problems(CONVERSATION, reply.answer, conversation_inputs("1")) == []
    assert reply.guarding is not None
    assert reply.guarding.units == {**dict.fromkeys(reply.guarding.units or {}, 0), "content": 2}
    assert reply.usage.output_tokens > 0


KEPT_BACK = ModelReply("guardrail_intervened", {"reply": "No."}, NO_USAGE, "No.", Guarding({"content": 1}, "question"))


async def test_a_question_that_a_guardrail_keeps_back_costs_no_tokens(stage: Stage) -> None:
    stage.play(KEPT_BACK, guardrail={"blocks": ["poison"]})
    reply = await stage.model.converse(guarded_request(question="How do I poison someone?"))
    assert (reply.stop_reason, reply.usage) == (KEPT_BACK.stop_reason, NO_USAGE)
    assert reply.guarding is not None
    assert reply.guarding.kept_back == "question"
    assert {name: count for name, count in (reply.guarding.units or {}).items() if count} == {"content": 1}


async def test_a_reply_that_a_guardrail_keeps_back_was_paid_for(stage: Stage) -> None:
    guarding = Guarding({"content": 2}, "reply")
    stage.play(
        ModelReply("guardrail_intervened", {"reply": "No."}, Usage(9, 9), "No.", guarding), guardrail=BLOCKS_REPLY
    )
    reply = await stage.model.converse(guarded_request())
    assert reply.guarding is not None
    assert reply.guarding.kept_back == "reply"
    assert reply.usage.output_tokens > 0


async def test_a_reply_that_is_masked_is_one(stage: Stage) -> None:
    guarding = Guarding({"content": 2}, is_masked=True)
    masked = ModelReply("guardrail_intervened", {"reply": "{NAME}"}, Usage(9, 9), "{NAME}", guarding)
    stage.play(masked, guardrail={"masks": ["Tea at the Edge"]})
    reply = await stage.model.converse(guarded_request())
    assert reply.guarding is not None
    assert reply.guarding.is_masked
    assert "{NAME}" in reply.text
