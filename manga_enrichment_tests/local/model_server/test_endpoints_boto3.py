"""Converse, InvokeModel and CountTokens as boto3 and aiohttp see them."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp
import boto3
import jsonschema
import pytest

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment_tests.analyses import get_analysis

SYNOPSIS = "A small school revives its baseball team and aims for the national tournament, one match at a time."
RECORD = MangaRecord("MNG-ABCD1234", "Ninth", synopsis=SYNOPSIS)
MODEL_ID = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
Body = Callable[..., dict[str, Any]]


def usage_of(answer: dict[str, Any]) -> Usage:
    usage = answer["usage"]
    return Usage(
        usage["inputTokens"], usage["outputTokens"], usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]
    )


def invoke(server: Any, body: dict[str, Any], model_id: str = MODEL_ID) -> dict[str, Any]:
    answer = server.bedrock.invoke_model(modelId=model_id, body=json.dumps(body))
    assert answer["contentType"] == "application/json"
    parsed: dict[str, Any] = json.loads(answer["body"].read())
    return parsed


def claude_body(body: dict[str, Any]) -> dict[str, Any]:
    """The Claude messages body that says what a Converse body says."""
    spec = body["toolConfig"]["tools"][0]["toolSpec"]
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": body["inferenceConfig"]["maxTokens"],
        "system": body["system"][0]["text"],
        "messages": [{"role": "user", "content": body["messages"][0]["content"][0]["text"]}],
        "tools": [{"name": spec["name"], "input_schema": spec["inputSchema"]["json"]}],
        "tool_choice": {"type": "tool", "name": spec["name"]},
    }


def test_converse_answers_with_the_forced_tool(server: Any, converse_body: Body) -> None:
    analysis = get_analysis("genre_classification")
    answer = server.bedrock.converse(modelId=MODEL_ID, **converse_body(analysis.name, RECORD))
    use = answer["output"]["message"]["content"][0]["toolUse"]
    assert answer["stopReason"] == "tool_use"
    assert answer["output"]["message"]["role"] == "assistant"
    assert use["name"] == analysis.tool_name
    assert use["toolUseId"].startswith("tooluse_")
    assert use["input"]["primary_genre"] == "sports"
    assert answer["metrics"]["latencyMs"] >= 0
    jsonschema.validate(use["input"], dict(analysis.output_schema))


def test_usage_adds_up_and_is_billed_at_the_price_of_the_model(server: Any, converse_body: Body) -> None:
    answer = server.bedrock.converse(modelId=MODEL_ID, **converse_body("reading_level", RECORD))
    usage = usage_of(answer)
    assert answer["usage"]["totalTokens"] == usage.input_tokens + usage.output_tokens
    counters = server.control.counters()
    assert counters["cost_micro_usd"] == cost_micro_usd(usage, load_models().by_id(MODEL_ID).price)
    assert (counters["input_tokens"], counters["output_tokens"]) == (usage.input_tokens, usage.output_tokens)


def test_invoke_model_gives_the_same_answer_in_the_messages_format(server: Any, converse_body: Body) -> None:
    body = converse_body("genre_classification", RECORD)
    by_converse = server.bedrock.converse(modelId=MODEL_ID, **body)
    by_invoke = invoke(server, claude_body(body))
    block = by_invoke["content"][0]
    assert (by_invoke["type"], by_invoke["role"], by_invoke["stop_reason"]) == ("message", "assistant", "tool_use")
    assert block["type"] == "tool_use"
    assert block["input"] == by_converse["output"]["message"]["content"][0]["toolUse"]["input"]
    assert by_invoke["usage"]["input_tokens"] == by_converse["usage"]["inputTokens"]
    assert by_invoke["usage"]["output_tokens"] == by_converse["usage"]["outputTokens"]


def test_count_tokens_tells_what_a_call_will_bill_as_input(server: Any, converse_body: Body) -> None:
    body = converse_body("content_summary", RECORD)
    parts = {key: body[key] for key in ("messages", "system", "toolConfig")}
    by_converse = server.bedrock.count_tokens(modelId=MODEL_ID, input={"converse": parts})
    raw = json.dumps(claude_body(body)).encode()
    by_invoke = server.bedrock.count_tokens(modelId=MODEL_ID, input={"invokeModel": {"body": raw}})
    billed = server.bedrock.converse(modelId=MODEL_ID, **body)["usage"]["inputTokens"]
    assert by_converse["inputTokens"] == by_invoke["inputTokens"] == billed
    assert server.control.counters()["count_tokens"] == 2
    assert server.control.counters()["billed"] == 1


def test_system_messages_and_tool_schema_all_count_as_input(server: Any, converse_body: Body) -> None:
    body = converse_body("reading_level", RECORD)
    parts = {key: body[key] for key in ("messages", "system", "toolConfig")}
    whole = server.bedrock.count_tokens(modelId=MODEL_ID, input={"converse": parts})["inputTokens"]
    for left_out in ("system", "toolConfig"):
        fewer = {key: part for key, part in parts.items() if key != left_out}
        assert server.bedrock.count_tokens(modelId=MODEL_ID, input={"converse": fewer})["inputTokens"] < whole


def test_the_arn_of_an_inference_profile_is_its_model(server: Any) -> None:
    arn = f"arn:aws:bedrock:ap-northeast-1:123456789012:inference-profile/{MODEL_ID}"
    assert server.ask("Hello there", model_id=arn)["stopReason"] == "end_turn"
    assert list(server.control.counters()["by_model"]) == [MODEL_ID]


async def test_a_raw_http_client_is_answered_like_boto3(server: Any, converse_body: Body) -> None:
    body = converse_body("genre_classification", RECORD)
    url = f"{server.url}/model/{quote(MODEL_ID, safe='')}/converse"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        answer = await response.json()
    by_boto3 = server.bedrock.converse(modelId=MODEL_ID, **body)
    assert answer["output"] == by_boto3["output"]
    assert server.control.counters()["duplicates"] == 1


def test_a_repair_conversation_with_a_tool_result_is_answered_again(server: Any, converse_body: Body) -> None:
    body = converse_body("genre_classification", RECORD)
    tool = body["toolConfig"]["tools"][0]["toolSpec"]["name"]
    use = {"toolUseId": "repair_1", "name": tool, "input": {"primary_genre": "jazz"}}
    result = {"toolUseId": "repair_1", "content": [{"text": "jazz is not one of the genres"}], "status": "error"}
    repaired = [
        *body["messages"],
        {"role": "assistant", "content": [{"toolUse": use}]},
        {"role": "user", "content": [{"toolResult": result}]},
    ]
    first = server.bedrock.converse(modelId=MODEL_ID, **body)
    again = server.bedrock.converse(modelId=MODEL_ID, **{**body, "messages": repaired})
    found = [each["output"]["message"]["content"][0]["toolUse"]["input"] for each in (first, again)]
    assert found[0] == found[1]
    assert again["usage"]["inputTokens"] > first["usage"]["inputTokens"]
    assert server.control.counters()["duplicates"] == 0


def test_a_cached_prefix_is_written_then_read_and_cheaper(server: Any) -> None:
    system = [{"text": "All about manga. " * 1_200}, {"cachePoint": {"type": "default"}}]
    first, second = server.ask("Who?", system=system), server.ask("Why?", system=system)
    assert first["usage"]["cacheWriteInputTokens"] == second["usage"]["cacheReadInputTokens"] > 4_000
    counters = server.control.counters()
    assert counters["cache_read_tokens"] == counters["cache_write_tokens"] > 4_000
    price = load_models().by_id(MODEL_ID).price
    assert counters["cost_micro_usd"] == sum(cost_micro_usd(usage_of(each), price) for each in (first, second))


def test_an_answer_that_does_not_fit_stops_at_max_tokens(server: Any, converse_body: Body) -> None:
    body = converse_body("genre_classification", RECORD)
    answer = server.bedrock.converse(modelId=MODEL_ID, **{**body, "inferenceConfig": {"maxTokens": 40}})
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"]["outputTokens"] == 40
    assert list(answer["output"]["message"]["content"][0]["toolUse"]["input"]) in ([], ["primary_genre"])


def test_a_response_parses_without_anything_that_the_service_model_does_not_know(
    server: Any, converse_body: Body
) -> None:
    answer = server.bedrock.converse(modelId=MODEL_ID, **converse_body("genre_classification", RECORD))
    model = boto3.Session().client("bedrock-runtime", region_name="us-east-1").meta.service_model
    shape = model.operation_model("Converse").output_shape
    assert set(answer) - {"ResponseMetadata"} <= set(shape.members)
    assert set(answer["usage"]) <= set(shape.members["usage"].members)


@pytest.mark.parametrize("path", ["/model/x/converse-stream", "/nothing"])
async def test_an_operation_it_does_not_have_is_said_to_be_unknown(server: Any, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.post(server.url + path, json={}) as response:
        assert response.status == 404
        assert response.headers["x-amzn-ErrorType"] == "UnknownOperationException"
