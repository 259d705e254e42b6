"""The stand-in's guardrail: what it looks at, what it lets through, what it puts on the bill."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment_tests.local.model_server.conftest import FORCING_MODEL, RunningServer

CONFIG = {"guardrailIdentifier": "gr1", "guardrailVersion": "1", "trace": "enabled"}


def usage_of(found: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in found["invocationMetrics"]["usage"].items() if count}


def test_a_question_that_is_kept_back_costs_its_units_alone(server: RunningServer) -> None:
    server.control.faults(guardrail={"blocks": ["POISON"], "policies": ["content", "topic"]})
    answer = server.ask("How to poison a well?" + "?" * 1_500, guardrailConfig=CONFIG)
    assert answer["stopReason"] == "guardrail_intervened"
    assert answer["usage"]["totalTokens"] == 0
    told = answer["trace"]["guardrail"]
    assert usage_of(told["inputAssessment"]["gr1"]) == {"contentPolicyUnits": 2, "topicPolicyUnits": 2}
    assert "outputAssessments" not in told
    counters = server.control.counters()
    assert counters["cost_micro_usd"] == counters["guardrail_micro_usd"] == 600
    assert counters["billed"] == 1


def test_a_reply_that_is_kept_back_has_cost_its_tokens(server: RunningServer) -> None:
    server.control.faults(guardrail={"blocks": ["stand-in"]})
    answer = server.ask("Hello", guardrailConfig=CONFIG)
    assert answer["stopReason"] == "guardrail_intervened"
    assert "stand-in" not in answer["output"]["message"]["content"][0]["text"]
    assert answer["usage"]["outputTokens"] > 0
    [found] = answer["trace"]["guardrail"]["outputAssessments"]["gr1"]
    assert found["contentPolicy"]["filters"][0]["action"] == "BLOCKED"
    counters = server.control.counters()
    assert counters["guardrail_micro_usd"] == 300
    assert counters["cost_micro_usd"] > 300


def test_only_what_is_marked_is_looked_at(server: RunningServer) -> None:
    server.control.faults(guardrail={"blocks": ["poison"]})
    marked = [{"text": "Look.\nA poison plot."}, {"guardContent": {"text": {"text": "Is it good?"}}}]
    for content, stop in ((marked, "end_turn"), (marked[:1], "guardrail_intervened")):
        answer = server.bedrock.converse(
            modelId=FORCING_MODEL, messages=[{"role": "user", "content": content}], guardrailConfig=CONFIG
        )
        assert answer["stopReason"] == stop


def test_a_tools_input_is_not_looked_at(server: RunningServer, converse_body: Callable[..., dict[str, Any]]) -> None:
    server.control.faults(guardrail={"blocks": ["murdered"]})
    record = MangaRecord("MNG-ABCD1234", "Nightfall", synopsis="A retired assassin is murdered in her own house.")
    body = converse_body("content_moderation", record)
    question = {"guardContent": {"text": {"text": "Judge it."}}}
    body["messages"][0]["content"].append(question)
    answer = server.bedrock.converse(modelId=FORCING_MODEL, **body, guardrailConfig=CONFIG)
    assert answer["stopReason"] == "tool_use"
    assert "murdered" in str(answer["output"])
    assert "outputAssessments" not in answer["trace"]["guardrail"]


def test_masked_words_are_taken_out_of_the_reply(server: RunningServer) -> None:
    server.control.faults(guardrail={"masks": ["stand-in"]})
    answer = server.ask("Hello", guardrailConfig=CONFIG)
    assert answer["stopReason"] == "guardrail_intervened"
    assert "{NAME}" in answer["output"]["message"]["content"][0]["text"]


@pytest.mark.parametrize("config", [{**CONFIG, "trace": "disabled"}, {k: v for k, v in CONFIG.items() if k != "trace"}])
def test_it_tells_of_itself_only_when_it_is_asked_to(server: RunningServer, config: dict[str, str]) -> None:
    answer = server.ask("Hello", guardrailConfig=config)
    assert (answer["stopReason"], "trace" in answer) == ("end_turn", False)
    assert server.control.counters()["guardrail_micro_usd"] == 300


def test_without_one_nothing_is_looked_at(server: RunningServer) -> None:
    server.control.faults(guardrail={"blocks": ["Hello"]})
    assert server.ask("Hello")["stopReason"] == "end_turn"
    assert server.control.counters()["guardrail_micro_usd"] == 0


@pytest.mark.parametrize("wrong", [{"guardrailVersion": "0"}, {"guardrailIdentifier": "No Such"}, {"trace": "all"}])
def test_a_name_that_no_guardrail_has_is_refused(server: RunningServer, wrong: dict[str, str]) -> None:
    with pytest.raises(ClientError, match=r"ValidationException.*guardrailConfig"):
        server.ask("Hello", guardrailConfig={**CONFIG, **wrong})


def test_a_switch_that_is_none_is_refused(server: RunningServer) -> None:
    with pytest.raises(Exception, match="guardrail"):
        server.control.faults(guardrail={"policies": ["astrology"]})
