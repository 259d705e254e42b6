"""Converse with a guardrail: what is sent, held against botocore, and what is read from whatever comes back."""

from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.aws.bedrock.converse import parse_reply, request_body
from manga_enrichment.aws.bedrock.guarded import guarding
from manga_enrichment.domain.models.guardrails import Guarding
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.gateways.model import Repair
from manga_enrichment_tests.contracts.prompts import guarded_request

CONVERSE = botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")
USAGE = {"inputTokens": 11, "outputTokens": 3, "totalTokens": 14}


def assessment(action: str = "", **units: int) -> dict[str, Any]:
    usage = {"topicPolicyUnits": 0, "contentPolicyUnits": 0, "wordPolicyUnits": 0, **units}
    found: dict[str, Any] = {"invocationMetrics": {"guardrailProcessingLatency": 9, "usage": usage}}
    if action:
        found["contentPolicy"] = {"filters": [{"type": "VIOLENCE", "confidence": "HIGH", "action": action}]}
    return found


def document(
    question: dict[str, Any] | None, *replies: dict[str, Any], stop: str = "end_turn", text: str = "Read Tea."
) -> dict[str, Any]:
    told: dict[str, Any] = {} if question is None else {"inputAssessment": {"gr1": question}}
    if replies:
        told["outputAssessments"] = {"gr1": list(replies)}
    message = {"role": "assistant", "content": [{"text": text}]}
    return {"output": {"message": message}, "stopReason": stop, "usage": USAGE, "trace": {"guardrail": told}}


@pytest.mark.parametrize("model_id", load_models().models)
@pytest.mark.parametrize("repair", [None, Repair({"reply": "  "}, ("reply: is empty",))])
def test_every_guarded_request_is_valid_for_botocore_and_has_no_tool(model_id: str, repair: Repair | None) -> None:
    body = request_body(guarded_request(model_id, repair=repair))
    assert CONVERSE.input_shape is not None
    report = ParamValidator().validate({"modelId": model_id, **body}, CONVERSE.input_shape)
    assert not report.has_errors(), report.generate_report()
    assert "toolConfig" not in body
    assert body["guardrailConfig"] == {"guardrailIdentifier": "gr1", "guardrailVersion": "7", "trace": "enabled"}


def test_what_was_said_last_is_looked_at_and_nothing_else_is_lost() -> None:
    request = guarded_request(question="Is <Tea>\nany good?")
    [message] = request_body(request)["messages"]
    before, marked, after = message["content"]
    said = marked["guardContent"]["text"]["text"]
    assert said == "user: Is ‹Tea›\n  any good?"
    assert before["text"] + said + after["text"] == request.prompt.user
    assert "Tea at the Edge" in before["text"]  # a title of the catalog, which nobody outside has said
    assert "user: An earlier question" in before["text"]


def test_a_repair_is_a_turn_of_plain_text() -> None:
    repair = Repair({"reply": "MNG-99999999"}, ("reply: names nothing",))
    _question, answer, complaint = request_body(guarded_request(repair=repair))["messages"]
    assert answer == {"role": "assistant", "content": [{"text": "MNG-99999999"}]}
    assert "reply: names nothing" in complaint["content"][0]["text"]


def test_the_text_is_the_answer_and_the_units_of_both_looks_are_added_up() -> None:
    told = document(assessment(contentPolicyUnits=2, topicPolicyUnits=1), assessment(contentPolicyUnits=3))
    reply = parse_reply(told, "reply")
    assert reply.answer == {"reply": "Read Tea."}
    assert reply.guarding == Guarding({"topic": 1, "content": 5, "word": 0})


@pytest.mark.parametrize(
    ("told", "kept_back", "is_masked"),
    [
        (document(assessment("BLOCKED"), stop="guardrail_intervened"), "question", False),
        (document(assessment(), assessment("BLOCKED"), stop="guardrail_intervened"), "reply", False),
        (document(assessment("NONE"), assessment("BLOCKED"), stop="guardrail_intervened"), "reply", False),
        (document(assessment(), assessment(), assessment("BLOCKED"), stop="guardrail_intervened"), "reply", False),
        (document(assessment(), assessment("ANONYMIZED"), stop="guardrail_intervened"), "", True),
        (document(assessment("ANONYMIZED"), assessment("BLOCKED"), stop="guardrail_intervened"), "reply", False),
        (document(None, stop="guardrail_intervened"), "question", False),  # it does not tell: nothing is let through
        (document(assessment("NONE"), assessment("NONE")), "", False),
    ],
)
def test_who_was_kept_back_is_read_from_the_trace(told: dict[str, Any], kept_back: str, is_masked: bool) -> None:
    found = guarding(told)
    assert (found.kept_back, found.is_masked) == (kept_back, is_masked)


@pytest.mark.parametrize(
    "units",
    [{"contentPolicyUnits": -1}, {"contentPolicyUnits": "2"}, {"contentPolicyUnits": True}, {"topicPolicyUnits": 1.5}],
)
def test_units_that_cannot_be_read_are_not_told(units: Any) -> None:
    assert guarding(document(assessment(**units))).units is None


def test_an_answer_without_a_trace_tells_no_units() -> None:
    told = document(None)
    del told["trace"]
    assert parse_reply(told, "reply").guarding == Guarding(None)


def test_a_unit_of_a_policy_that_nobody_knows_is_kept_under_its_name() -> None:
    assert guarding(document(assessment(contentPolicyImageUnits=1, automatedReasoningPolicies=4))).units == {
        "topic": 0,
        "content": 0,
        "word": 0,
        "contentPolicyImageUnits": 1,
    }


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["guardrail", "inputAssessment", "outputAssessments", "invocationMetrics", "usage", "action"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(anything, st.sampled_from(["guardrail_intervened", "end_turn", None, 7]))
def test_no_trace_makes_reading_a_reply_fail_or_lets_an_intervention_pass(trace: Any, stop: Any) -> None:
    told = {**document(None), "trace": trace, "stopReason": stop}
    reply = parse_reply(told, "reply")
    assert reply.guarding is not None
    assert (stop == "guardrail_intervened") == bool(reply.guarding.kept_back or reply.guarding.is_masked)
