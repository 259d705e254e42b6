"""Errors have the shape and status that botocore's service model gives them, and nothing lenient slips through."""

import asyncio
import json
from typing import Any

import aiohttp
import boto3
import pytest
from botocore.exceptions import ClientError

from manga_enrichment.local.model_server.protocol.validation import STATUS_CODES

FORCING_MODEL = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
NO_SAMPLING_MODEL = "global.anthropic.claude-haiku-5-5"
NO_FORCING_MODEL = "global.anthropic.claude-sonnet-5-5"
HELLO = {"role": "user", "content": [{"text": "Hello"}]}
TOOL = {"toolSpec": {"name": "record", "inputSchema": {"json": {"type": "object"}}}}
USE = {"toolUse": {"toolUseId": "u1", "name": "record", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "u1", "content": [{"text": "wrong"}]}}
CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}


def test_status_codes_are_those_of_the_service_model() -> None:
    client = boto3.client("bedrock-runtime", region_name="us-east-1")
    shapes = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in client.meta.service_model.error_shapes}
    client.close()
    assert STATUS_CODES.items() <= shapes.items()


async def post(server: Any, path: str, raw: bytes) -> tuple[int, str, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.post(server.url + path, data=raw) as response:
        return response.status, response.headers.get("x-amzn-ErrorType", ""), json.loads(await response.read())


def test_an_unknown_model_is_a_validation_exception_that_boto3_knows(server: Any) -> None:
    with pytest.raises(server.bedrock.exceptions.ValidationException) as caught:
        server.ask(model_id="anthropic.claude-nobody-9")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "model identifier is invalid" in caught.value.response["Error"]["Message"]
    assert server.control.counters()["rejected"] == 1
    assert server.control.counters()["by_model"] == {}


@pytest.mark.parametrize(
    ("model_id", "body", "said"),
    [
        (NO_SAMPLING_MODEL, {"inferenceConfig": {"temperature": 0.2}}, "takes no sampling parameters"),
        (NO_SAMPLING_MODEL, {"additionalModelRequestFields": {"top_k": 5}}, "takes no sampling parameters"),
        (NO_FORCING_MODEL, {"toolConfig": {"tools": [TOOL], "toolChoice": {"any": {}}}}, "forces tool use"),
        (
            NO_FORCING_MODEL,
            {"toolConfig": {"tools": [TOOL], "toolChoice": {"tool": {"name": "record"}}}},
            "forces tool use",
        ),
        (FORCING_MODEL, {"inferenceConfig": {"maxTokens": 64_001}}, "exceeds the model limit of 64000"),
        (
            FORCING_MODEL,
            {"toolConfig": {"tools": [TOOL], "toolChoice": {"tool": {"name": "x"}}}},
            "not among the tools",
        ),
        (FORCING_MODEL, {"system": [{"text": "word " * 200_000}]}, "Input is too long"),
        (NO_SAMPLING_MODEL, {"system": [{"text": "word " * 100_000}]}, "has no price for a prompt of"),
    ],
)
def test_what_a_model_does_not_take_is_refused(server: Any, model_id: str, body: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said) as caught:
        server.ask(model_id=model_id, **body)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert server.control.counters()["billed"] == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "messages must be a list"),
        ({"messages": []}, "at least 1 message"),
        ({"messages": [HELLO], "message": 1}, r"extraneous key \[message\]"),
        ({"messages": [{"role": "assistant", "content": [{"text": "Hi"}]}]}, "must start with a user message"),
        ({"messages": [HELLO, HELLO]}, "alternate"),
        ({"messages": [HELLO, {"role": "assistant", "content": [{"text": "Hi"}]}]}, "must end with a user message"),
        ({"messages": [{"role": "user", "content": [{"text": "  "}]}]}, "blank"),
        ({"messages": [{"role": "user", "content": []}]}, "is empty"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, "messages.0.content must be a list"),
        ({"messages": [{"role": "user", "content": [{"image": {}}]}]}, "reads text, guardContent, toolUse"),
        ({"messages": [HELLO], "inferenceConfig": {"maxTokens": 0}}, "at least 1"),
        ({"messages": [HELLO], "inferenceConfig": {"temperature": 2}}, "from 0 to 1"),
        ({"messages": [HELLO], "toolConfig": {"tools": []}}, "at least 1 toolSpec"),
        ({"messages": [HELLO], "toolConfig": {"tools": [TOOL], "toolChoice": {}}}, "exactly one of"),
        (
            {"messages": [HELLO], "toolConfig": {"tools": [{"toolSpec": {"name": "x", "inputSchema": {"json": {}}}}]}},
            "must be one of the following: object",
        ),
        ({"messages": [HELLO, {"role": "assistant", "content": [USE]}, HELLO]}, "Expected tool result blocks"),
        (
            {
                "messages": [
                    HELLO,
                    {"role": "assistant", "content": [{"text": "Hi"}]},
                    {"role": "user", "content": [RESULT]},
                ],
                "toolConfig": {"tools": [TOOL]},
            },
            "an Id that was not used",
        ),
        (
            {"messages": [HELLO, {"role": "assistant", "content": [USE]}, {"role": "user", "content": [RESULT]}]},
            "tools must be defined",
        ),
        ([], "must be an object"),
    ],
)
async def test_a_converse_body_that_the_service_would_not_take_is_refused(server: Any, body: Any, said: str) -> None:
    status, name, answer = await post(server, f"/model/{FORCING_MODEL}/converse", json.dumps(body).encode())
    assert (status, name, list(answer)) == (400, "ValidationException", ["message"])
    with pytest.raises(ValueError, match=said):
        raise ValueError(answer["message"])


@pytest.mark.slow
async def test_a_request_that_breaks_off_is_rejected_and_free(server: Any) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /model/{FORCING_MODEL}/converse HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    while not (counters := server.control.counters())["rejected"]:  # noqa: ASYNC110 - another thread's loop counts
        await asyncio.sleep(0.02)
    assert (counters["requests"], counters["rejected"], counters["billed"], counters["in_flight"]) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"anthropic_version": "2023-06-01"}, "anthropic_version must be bedrock-2023-05-31"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"model": "claude"}, r"extraneous key \[model\]"),
        ({"tool_choice": {"type": "any"}}, "while providing tools"),
        ({"messages": "Hi"}, "messages must be a list"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "reads text, tool_use"),
        ({"system": 5}, "system must be a list"),
        ({"temperature": -1}, "from 0 to 1"),
    ],
)
async def test_a_messages_body_that_the_service_would_not_take_is_refused(
    server: Any, changes: dict[str, Any], said: str
) -> None:
    raw = json.dumps({**CLAUDE, **changes}).encode()
    status, name, answer = await post(server, f"/model/{FORCING_MODEL}/invoke", raw)
    assert (status, name) == (400, "ValidationException")
    with pytest.raises(ValueError, match=said):
        raise ValueError(answer["message"])


@pytest.mark.parametrize("operation", ["converse", "invoke", "count-tokens"])
@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[1,", b'{"a": NaN}', b'"\\ud800"'])
async def test_a_body_that_is_not_json_is_refused(server: Any, operation: str, raw: bytes) -> None:
    status, name, answer = await post(server, f"/model/{FORCING_MODEL}/{operation}", raw)
    assert (status, name) == (400, "ValidationException")
    assert "not valid JSON" in answer["message"]


@pytest.mark.parametrize(
    "given",
    [{}, {"converse": {"messages": [HELLO]}, "invokeModel": {"body": ""}}, {"invokeModel": {"body": "*"}}, {"x": 1}],
)
async def test_count_tokens_takes_exactly_one_kind_of_request(server: Any, given: dict[str, Any]) -> None:
    raw = json.dumps({"input": given}).encode()
    status, name, _ = await post(server, f"/model/{FORCING_MODEL}/count-tokens", raw)
    assert (status, name) == (400, "ValidationException")
