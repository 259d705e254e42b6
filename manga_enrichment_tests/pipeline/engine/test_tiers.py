"""A tier that Bedrock does not serve: asked in the default one, at its price, for the rest of the run."""

from dataclasses import replace

from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import cost_micro_usd
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment_tests.builders import BUCKET, record
from manga_enrichment_tests.fakes import DEFAULT_USAGE, valid_answer
from manga_enrichment_tests.pipeline.engine.engine_rig import ANALYSIS, EngineRig, classes

USUAL = load_models().resolve("nova-pro")
FLEX = USUAL.in_tier("flex")


def tiers_of(result: CallResult) -> list[str]:
    return [attempt.service_tier for attempt in result.attempts]


def calls_of(count: int) -> list[Call]:
    titles = (title_inputs(ANALYSIS, record(number)) for number in range(1, count + 1))
    return [build_call(Question(ANALYSIS, FLEX, each), BUCKET) for each in titles]


def refusing_flex(call: ModelCall) -> ModelReply:
    if call.model.service_tier:
        raise ModelError(ErrorClass.TIER_REFUSED, "The service tier flex is not supported for this model")
    return ModelReply("tool_use", valid_answer(call.prompt), DEFAULT_USAGE, service_tier="default")


async def test_a_refused_tier_is_asked_for_no_more_and_the_default_price_is_booked() -> None:
    world = EngineRig(otherwise=refusing_flex)
    results = await world.run(calls_of(10), world.engine(concurrency=1))
    assert classes(results) == {"answered": 10}
    assert [sent.request.model.service_tier for sent in world.model.sent] == ["flex", *[""] * 10]
    assert world.spent_micro_usd() == 10 * cost_micro_usd(DEFAULT_USAGE, USUAL.price)
    assert sorted(map(tiers_of, results)) == [["default"]] * 9 + [["flex", "default"]]


async def test_calls_of_a_tier_are_booked_at_its_price() -> None:
    world = EngineRig()
    results = await world.run(calls_of(4))
    assert [tiers_of(each) for each in results] == [["flex"]] * 4
    assert {sent.request.model.service_tier for sent in world.model.sent} == {"flex"}
    assert world.spent_micro_usd() == 4 * cost_micro_usd(DEFAULT_USAGE, FLEX.price)


async def test_what_was_served_in_another_tier_is_booked_at_the_default_price() -> None:
    def served_as_usual(call: ModelCall) -> ModelReply:
        return ModelReply("tool_use", valid_answer(call.prompt), DEFAULT_USAGE, service_tier="default")

    world = EngineRig(otherwise=served_as_usual)
    (result,) = await world.run(calls_of(1))
    assert world.spent_micro_usd() == cost_micro_usd(DEFAULT_USAGE, USUAL.price)
    assert tiers_of(result) == ["default"]


async def test_a_lost_answer_is_logged_in_the_tier_at_whose_price_it_is_booked() -> None:
    replies = iter([ModelError(ErrorClass.READ_TIMEOUT, "no answer"), "default"])

    def lost_then_served(call: ModelCall) -> ModelReply:
        step = next(replies)
        if isinstance(step, ModelError):
            raise step
        return ModelReply("tool_use", valid_answer(call.prompt), DEFAULT_USAGE, service_tier=step)

    (result,) = await EngineRig(otherwise=lost_then_served).run(calls_of(1))
    usual = cost_micro_usd(DEFAULT_USAGE, USUAL.price)
    assert [(each.cost_micro_usd, each.service_tier) for each in result.attempts] == [(usual, "default")] * 2


def test_the_tier_makes_no_other_question_of_it() -> None:
    (flex,) = calls_of(1)
    usual = build_call(Question(ANALYSIS, USUAL, flex.inputs), BUCKET)
    assert flex.fingerprint == usual.fingerprint
    assert flex.estimated_micro_usd() < usual.estimated_micro_usd()
    assert replace(flex.model, price=USUAL.price, default_price=None, service_tier="") == USUAL
