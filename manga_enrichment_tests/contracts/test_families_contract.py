"""Every analysis over every family of models: asked in the way that the family takes, by the offline server's rules.

Fails where a family has no row, and where a model is asked for what it does not take.
"""

import dataclasses
from typing import Any

import botocore.session
import orjson
import pytest
from botocore.validate import ParamValidator

from manga_enrichment.aws.bedrock.converse import parse_reply, request_body
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import AnswersBy, ModelSpec, base_id
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.conversations import CONVERSATION, conversation_inputs, conversation_prompt
from manga_enrichment.gateways.model import ModelCall, ModelReply, Repair
from manga_enrichment.local.model_server.answers.answering import answer
from manga_enrichment.local.model_server.answers.oddities import lose, wrap
from manga_enrichment.local.model_server.protocol import converse
from manga_enrichment.local.model_server.protocol.checks import check_request
from manga_enrichment.local.model_server.protocol.model_request import Reply
from manga_enrichment.local.model_server.protocol.validation import ServiceError
from manga_enrichment.pipeline.engine.verdicts import judge
from manga_enrichment_tests.analyses import FOR_PARTNERS
from manga_enrichment_tests.contracts.prompts import inputs, make_request

FAMILIES = {
    "amazon": "amazon.nova-",
    "anthropic": "anthropic.claude-",
    "deepseek": "deepseek.",
    "meta": "meta.llama",
    "mistral": "mistral.",
    "openai": "openai.gpt-oss-",
    "qwen": "qwen.qwen3-",
}
MODELS = load_models().models
BASES = {model_id: spec for model_id, spec in MODELS.items() if base_id(model_id) == model_id}
TIERS = [(model_id, tier) for model_id, spec in MODELS.items() for tier in spec.price.tiers]
CONVERSE = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")


def test_every_family_has_rows_and_every_row_a_family() -> None:
    for family, beginning in FAMILIES.items():
        assert any(model_id.startswith(beginning) for model_id in BASES), f"{family} has no row"
    assert {spec.family for spec in MODELS.values()} == set(FAMILIES)
    assert len([spec for spec in BASES.values() if spec.family != "anthropic"]) >= 12
    assert {spec.answers_by for spec in BASES.values()} == set(AnswersBy), "each way to answer is somebody's"


@pytest.mark.parametrize("model_id", MODELS)
def test_a_row_besides_claude_says_where_and_when_it_was_read(model_id: str) -> None:
    spec = MODELS[model_id]
    assert spec.family == "anthropic" or "read on 20" in spec.source


@pytest.mark.parametrize("model_id", sorted(MODELS.keys() - BASES.keys()))
def test_a_profile_has_its_base_models_abilities(model_id: str) -> None:
    profile, base = MODELS[model_id], MODELS.get(base_id(model_id))
    assert base is not None
    for ability in (
        "answers_by",
        "strict_tool",
        "takes_temperature",
        "thinking_off",
        "thinking_tokens",
        "max_output_tokens",
    ):
        assert getattr(profile, ability) == getattr(base, ability), ability


def served(call: ModelCall, change: Any = lambda reply: reply) -> ModelReply:
    """What the offline server would answer to the request as it goes over the wire. Raises ServiceError."""
    body = orjson.loads(orjson.dumps(request_body(call)))
    report = ParamValidator().validate({"modelId": call.model.model_id, **body}, CONVERSE.input_shape)
    assert not report.has_errors(), report.generate_report()
    request = converse.parse(call.model.model_id, body)
    check_request(call.model.in_default_tier(), request)
    reply: Reply = change(answer(call.model, request))
    usage = Usage(request.input_tokens, reply.output_tokens)
    return parse_reply(converse.render(call.model.model_id, request, reply, usage, 7), call.text_field)


@pytest.mark.parametrize("model_id", BASES)
@pytest.mark.parametrize("name", FOR_PARTNERS)
def test_every_analysis_is_answered_by_every_model(name: str, model_id: str) -> None:
    analysis = FOR_PARTNERS[name]
    reply = served(make_request(name, BASES[model_id])).shaped_for(analysis)
    assert judge(analysis, inputs(analysis), reply) is None
    assert reply.stop_reason == ("tool_use" if BASES[model_id].answers_by_tool else "end_turn")


@pytest.mark.parametrize("model_id", BASES)
def test_every_conversation_is_answered_by_every_model(model_id: str) -> None:
    spec = BASES[model_id]
    prompt = conversation_prompt("manga_query", {"query": "One about tea?", "max_tokens": 512}, (), spec)
    reply = served(ModelCall(spec, prompt, prompt.max_tokens)).shaped_for(CONVERSATION)
    assert judge(CONVERSATION, conversation_inputs("r1"), reply) is None


@pytest.mark.parametrize("as_one", [True, False])
@pytest.mark.parametrize("model_id", BASES)
def test_a_wrapped_answer_of_any_model_counts(model_id: str, *, as_one: bool) -> None:
    for name, analysis in FOR_PARTNERS.items():
        call = make_request(name, BASES[model_id])
        reply = served(call, lambda reply: wrap(reply, as_one=as_one)).shaped_for(analysis)
        assert judge(analysis, inputs(analysis), reply) is None, name


@pytest.mark.parametrize("malformed", [True, False])
@pytest.mark.parametrize("model_id", BASES)
def test_a_lost_answer_of_any_model_is_known_for_one(model_id: str, *, malformed: bool) -> None:
    analysis = FOR_PARTNERS["reading_level"]
    reply = served(make_request("reading_level", BASES[model_id]), lambda reply: lose(reply, malformed=malformed))
    problem = judge(analysis, inputs(analysis), reply)
    assert problem is not None
    assert problem[0] is ErrorClass.MALFORMED_ANSWER


@pytest.mark.parametrize("model_id", [each for each, spec in BASES.items() if not spec.always_thinks])
def test_a_repair_is_valid_for_every_model_that_does_not_always_think(model_id: str) -> None:
    analysis = FOR_PARTNERS["reading_level"]
    repair = Repair({"level": "nobody"}, ("level: 'nobody' is not one of the four",))
    reply = served(make_request("reading_level", BASES[model_id], repair=repair)).shaped_for(analysis)
    assert judge(analysis, inputs(analysis), reply) is None


@pytest.mark.parametrize("model_id", BASES)
def test_the_offline_server_refuses_what_a_model_does_not_take(model_id: str) -> None:
    spec = BASES[model_id]
    for way in set(AnswersBy) - {spec.answers_by}:
        asked = make_request("reading_level", dataclasses.replace(spec, answers_by=way))
        if _takes(spec, way):
            _asked_of(spec, asked)
        else:
            with pytest.raises(ServiceError, match=r"support|use (any|auto)"):
                _asked_of(spec, asked)


@pytest.mark.parametrize("model_id", [each for each, spec in BASES.items() if spec.answers_by_tool])
def test_a_strict_tool_is_asked_of_a_model_that_takes_it_and_refused_by_others(model_id: str) -> None:
    spec, analysis = BASES[model_id], FOR_PARTNERS["reading_level"]
    usual = make_request("reading_level", spec)
    assert not spec.strict_tool, "no source of a packaged row says that it takes one"
    assert "strict" not in request_body(usual)["toolConfig"]["tools"][0]["toolSpec"]
    strict = make_request("reading_level", dataclasses.replace(spec, strict_tool=True))
    assert request_body(strict)["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True
    assert judge(analysis, inputs(analysis), served(strict).shaped_for(analysis)) is None
    with pytest.raises(ServiceError, match="doesn't support the strict field"):
        _asked_of(spec, strict)


def test_the_offline_server_takes_no_word_for_strict() -> None:
    spec = dataclasses.replace(BASES["amazon.nova-lite-v1:0"], strict_tool=True)
    body = request_body(make_request("reading_level", spec))
    body["toolConfig"]["tools"][0]["toolSpec"]["strict"] = "yes"
    with pytest.raises(ServiceError, match=r"tools\.0\.toolSpec\.strict must be true or false"):
        converse.parse(spec.model_id, body)


def _takes(spec: ModelSpec, way: AnswersBy) -> bool:
    """Besides its own way."""
    if way is AnswersBy.JSON_TEXT:
        return True
    if way is AnswersBy.TEXT_SCHEMA:
        return spec.family == "anthropic"
    by_freedom = [AnswersBy.FORCED_TOOL, AnswersBy.ANY_TOOL, AnswersBy.AUTO_TOOL]
    return spec.answers_by in by_freedom and way in by_freedom[by_freedom.index(spec.answers_by) :]


def _asked_of(spec: ModelSpec, call: ModelCall) -> None:
    check_request(spec, converse.parse(spec.model_id, orjson.loads(orjson.dumps(request_body(call)))))


@pytest.mark.parametrize(("model_id", "tier"), TIERS)
def test_a_tier_with_a_price_is_asked_for_served_and_priced(model_id: str, tier: str) -> None:
    spec = MODELS[model_id].in_tier(tier)
    analysis = FOR_PARTNERS["reading_level"]
    reply = served(make_request("reading_level", spec)).shaped_for(analysis)
    assert (judge(analysis, inputs(analysis), reply), reply.service_tier) == (None, tier)
    usage = Usage(1_000, 100)
    usual = cost_micro_usd(usage, MODELS[model_id].price)
    asked = cost_micro_usd(usage, spec.price)
    assert asked < usual if tier == "flex" else asked > usual
    assert cost_micro_usd(usage, spec.served_in("default").price) == usual
    assert spec.in_default_tier() == dataclasses.replace(MODELS[model_id], default_price=spec.default_price)


@pytest.mark.parametrize("model_id", [each for each, spec in BASES.items() if not spec.price.tiers])
def test_a_tier_without_a_price_is_not_asked_for_and_refused(model_id: str) -> None:
    spec = BASES[model_id]
    assert spec.in_tier("flex") is spec
    asked = make_request("reading_level", dataclasses.replace(spec, service_tier="flex"))
    with pytest.raises(ServiceError, match="service tier flex is not supported"):
        _asked_of(spec, asked)
