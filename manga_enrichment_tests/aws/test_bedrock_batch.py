"""Batch records in the messages format: what is sent, and what is made of the output, line by line."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from manga_enrichment.aws.bedrock.batch import BedrockBatch, parse_record
from manga_enrichment.aws.bedrock.claude_messages import model_input, model_reply
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.batch import BatchOrder
from manga_enrichment.gateways.model import Repair
from manga_enrichment_tests.contracts.prompts import make_request, model

USAGE = {"input_tokens": 900, "output_tokens": 40, "cache_read_input_tokens": 0, "cache_creation_input_tokens": None}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "record_x", "input": {"level": "teen"}}


def output(content: list[Any], usage: Mapping[str, Any] = USAGE, stop_reason: Any = "tool_use") -> dict[str, Any]:
    return {"role": "assistant", "content": content, "usage": usage, "stop_reason": stop_reason}


def test_a_record_forces_the_tool_where_the_model_takes_that() -> None:
    body = model_input(make_request(spec=model("haiku-batch")))
    assert body["anthropic_version"] == "bedrock-2023-05-31"
    assert body["tool_choice"] == {"type": "tool", "name": body["tools"][0]["name"]}
    assert body["tools"][0]["input_schema"]["type"] == "object"
    assert "temperature" in body
    assert "cache_control" not in json.dumps(body)


def test_a_record_sends_nothing_that_the_model_does_not_take() -> None:
    body = model_input(make_request(spec=model("sonnet")))
    assert body["tool_choice"] == {"type": "auto"}
    assert "temperature" not in body
    assert body["thinking"] == {"type": model("sonnet").thinking_off}


def test_a_repair_is_no_record() -> None:
    with pytest.raises(ValueError, match="repair"):
        model_input(make_request(repair=Repair({}, ("wrong",))))


def test_a_tool_use_is_the_answer() -> None:
    reply = model_reply(output([{"type": "text", "text": "Well."}, TOOL]))
    assert (reply.answer, reply.stop_reason, reply.usage) == ({"level": "teen"}, "tool_use", Usage(900, 40))


def test_json_in_words_is_an_answer_too() -> None:
    assert model_reply(output([{"type": "text", "text": 'Here: {"level": "teen"}'}])).answer == {"level": "teen"}


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "",
        [],
        {},
        {"content": [], "usage": None},
        output([TOOL], {"input_tokens": 1}),
        output([TOOL], {**USAGE, "output_tokens": "9"}),
        output([TOOL], {**USAGE, "input_tokens": True}),
        output([TOOL], {**USAGE, "cache_read_input_tokens": -1}),
    ],
)
def test_an_output_without_readable_usage_is_no_answer(broken: Any) -> None:
    with pytest.raises(ModelError) as error:
        model_reply(broken)
    assert error.value.error_class is ErrorClass.EMPTY_ANSWER


def test_a_missing_stop_reason_is_no_success() -> None:
    assert model_reply(output([TOOL], stop_reason=None)).stop_reason == "missing"


def test_a_line_carries_its_record_id_with_reply_or_error() -> None:
    good = parse_record(json.dumps({"recordId": "r1", "modelInput": {}, "modelOutput": output([TOOL])}).encode())
    assert good.record_id == "r1"
    assert good.reply is not None
    assert good.error is None


@pytest.mark.parametrize(
    ("failure", "error_class"),
    [
        ({"errorCode": 400, "errorMessage": "bad request"}, ErrorClass.INVALID_REQUEST),
        ({"errorCode": 429, "errorMessage": "slow down"}, ErrorClass.THROTTLED),
        ({"errorCode": 500, "errorMessage": "oops"}, ErrorClass.MODEL_ERROR),
        ({"errorMessage": "who knows"}, ErrorClass.MODEL_ERROR),
        ("odd", ErrorClass.MODEL_ERROR),
    ],
)
def test_an_error_in_a_line_is_classified(failure: Any, error_class: ErrorClass) -> None:
    record = parse_record(json.dumps({"recordId": "r1", "error": failure}).encode())
    assert record.error is not None
    assert record.error.error_class is error_class


@pytest.mark.parametrize("line", [b"not json", b"[]", b"3", b'{"modelOutput": {}}', b'"text"'])
def test_a_line_that_is_no_record_belongs_to_no_title(line: bytes) -> None:
    assert parse_record(line).record_id == ""


def test_a_job_without_a_role_is_refused_by_the_settings_name() -> None:
    order = BatchOrder("t", "n", model("haiku-batch").model_id, "in", "out/", 24)
    with pytest.raises(ConfigurationError, match="MANGA_BATCH_ROLE_ARN"):
        BedrockBatch(AwsClients(), bucket="a-bucket", role_arn="").create(order)
