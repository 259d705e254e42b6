"""BedrockModel on the wire: what it sends, what it costs, and every way a connection can end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import boto3
import botocore.session
import orjson
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

from manga_enrichment.aws.bedrock import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.converse import request_body
from manga_enrichment.domain.analyses import ANALYSES
from manga_enrichment.domain.outcomes import ConfigurationError, ErrorClass, ModelError
from manga_enrichment.domain.usage import cost_micro_usd
from manga_enrichment.local.model_control import ModelServerControl
from manga_enrichment_tests.aws.conftest import OpenModel
from manga_enrichment_tests.contracts.prompts import make_request, model

VALID_REPLY = orjson.dumps(
    {
        "output": {"message": {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "input": {"a": 1}}}]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 10, "outputTokens": 2, "totalTokens": 12},
    }
)

Respond = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(respond: Respond) -> AsyncIterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    """A server that reads one request per connection, keeps it (target, headers, body) and does as told."""
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        seen.append((head[0].split(" ")[1], headers, body))
        try:
            await respond(writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(serve(reader, writer)))

    serving: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def answering(payload: bytes, *, status: str = "200 OK", headers: str = "", length: int | None = None) -> Respond:
    async def respond(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(payload) if length is None else length}\r\n{headers}\r\n"
        writer.write(head.encode() + payload)
        await writer.drain()

    return respond


@pytest.fixture
def pointed_at(monkeypatch: pytest.MonkeyPatch, open_model: OpenModel) -> Callable[[str], BedrockModel]:
    def make(url: str) -> BedrockModel:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        return open_model()

    return make


async def error_of(gateway: BedrockModel) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await gateway.converse(make_request())
    return caught.value


@pytest.mark.parametrize(
    "model_id", ["global.anthropic.claude-haiku-4-5-20251001-v1:0", "arn:aws:bedrock:ap-northeast-1:1:x/y"]
)
async def test_path_body_and_signed_headers_are_those_of_boto3(
    pointed_at: Callable[[str], BedrockModel], model_id: str
):
    request = make_request(spec=replace(model("haiku"), model_id=model_id))
    async with raw_server(answering(VALID_REPLY)) as (url, seen):
        await pointed_at(url).converse(request)
        client: Any = boto3.client("bedrock-runtime", config=Config(retries={"total_max_attempts": 1}))
        await asyncio.to_thread(lambda: client.converse(modelId=model_id, **request_body(request)))
    (our_target, our_headers, our_body), (their_target, their_headers, their_body) = seen
    assert our_target == their_target
    assert orjson.loads(our_body) == orjson.loads(their_body)
    scope = our_headers["authorization"].split("Credential=")[1].split(",")[0]
    assert scope.endswith("/ap-northeast-1/bedrock/aws4_request")
    assert our_headers["content-type"] == their_headers["content-type"] == "application/json"
    assert "SignedHeaders=accept;content-type;host;x-amz-date" in our_headers["authorization"]


async def test_the_signature_covers_what_is_sent(pointed_at: Callable[[str], BedrockModel]):
    async with raw_server(answering(VALID_REPLY)) as (url, seen):
        await pointed_at(url).converse(make_request())
    target, headers, body = seen[0]
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    sent = AWSRequest("POST", url + target, {name: headers[name] for name in signed if name != "host"}, body)
    sent.context["timestamp"] = headers["x-amz-date"]
    auth = botocore.auth.SigV4Auth(Credentials("local", "local"), "bedrock", "ap-northeast-1")
    expected = auth.signature(auth.string_to_sign(sent, auth.canonical_request(sent)), sent)
    assert headers["host"] in url
    assert headers["authorization"].endswith(f"Signature={expected}")


async def test_a_refused_connection_is_never_billed(pointed_at: Callable[[str], BedrockModel]):
    error = await error_of(pointed_at("http://127.0.0.1:9"))
    assert error.error_class is ErrorClass.CONNECTION
    assert "http://127.0.0.1:9" in error.message
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" in error.message


async def test_an_unknown_host_is_a_connection_failure(pointed_at: Callable[[str], BedrockModel]):
    error = await error_of(pointed_at("http://bedrock.invalid"))
    assert error.error_class is ErrorClass.CONNECTION


async def _hang_up(_writer: asyncio.StreamWriter) -> None:
    return


async def _hang(_writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(5)


ENDINGS = [
    ("closed without an answer", _hang_up, ErrorClass.TRUNCATED_ANSWER),
    ("closed within the body", answering(VALID_REPLY[:40], length=len(VALID_REPLY)), ErrorClass.TRUNCATED_ANSWER),
    ("half a document", answering(VALID_REPLY[:40]), ErrorClass.TRUNCATED_ANSWER),
    ("garbled compression", answering(b"xx", headers="Content-Encoding: gzip\r\n"), ErrorClass.TRUNCATED_ANSWER),
    ("no body", answering(b""), ErrorClass.EMPTY_ANSWER),
    ("an empty object", answering(b"{}"), ErrorClass.EMPTY_ANSWER),
    ("not an object", answering(b"[1]"), ErrorClass.EMPTY_ANSWER),
    ("silence", _hang, ErrorClass.READ_TIMEOUT),
    ("a redirect", answering(b"", status="307 T", headers="Location: /x\r\n"), ErrorClass.SERVICE_UNAVAILABLE),
    ("a proxy's page", answering(b"<html>", status="502 Bad Gateway"), ErrorClass.SERVICE_UNAVAILABLE),
    ("an overload", answering(b"{}", status="529 Overloaded"), ErrorClass.SERVICE_UNAVAILABLE),
]


@pytest.mark.parametrize(("how", "respond", "error_class"), ENDINGS, ids=[ending[0] for ending in ENDINGS])
async def test_every_bad_ending_is_classified(
    pointed_at: Callable[[str], BedrockModel], how: str, respond: Respond, error_class: ErrorClass
):
    async with raw_server(respond) as (url, seen):
        error = await error_of(pointed_at(url))
    assert error.error_class is error_class
    assert len(seen) == 1, "one call is one request"


async def test_retry_after_of_the_server_is_read(pointed_at: Callable[[str], BedrockModel]):
    headers = "Retry-After: 7\r\nx-amzn-ErrorType: ThrottlingException:http://amazon\r\n"
    async with raw_server(answering(b'{"message":"x"}', status="429 T", headers=headers)) as (url, _):
        error = await error_of(pointed_at(url))
    assert (error.error_class, error.retry_after_seconds) == (ErrorClass.THROTTLED, 7.0)


async def test_a_proxy_of_the_environment_is_used(
    pointed_at: Callable[[str], BedrockModel], monkeypatch: pytest.MonkeyPatch, open_model: OpenModel
):
    async with raw_server(answering(VALID_REPLY)) as (url, seen):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://bedrock.invalid")
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        await open_model().converse(make_request())
    assert seen[0][0].startswith("http://bedrock.invalid/model/")


async def test_an_unknown_model_is_told_from_a_bad_prompt(aws_environment: dict[str, str], open_model: OpenModel):
    unknown = replace(model("haiku"), model_id="anthropic.claude-none-v1:0")
    with pytest.raises(ModelError) as caught:
        await open_model().converse(make_request(spec=unknown))
    assert caught.value.error_class is ErrorClass.MODEL_NOT_FOUND


async def test_a_sampling_parameter_the_model_rejects_is_never_sent(
    aws_environment: dict[str, str], open_model: OpenModel
):
    spec = model("haiku")
    assert not spec.takes_temperature
    request = make_request(spec=spec)
    warm = replace(request, prompt=replace(request.prompt, temperature=0.2))
    assert (await open_model().converse(warm)).answer


async def test_an_answer_cut_off_by_its_limit_says_so(aws_environment: dict[str, str], open_model: OpenModel):
    reply = await open_model().converse(make_request("content_summary", max_tokens=30))
    assert reply.stop_reason == "max_tokens"
    assert reply.usage.output_tokens <= 30


async def test_a_cached_prefix_is_written_once_and_then_read(
    aws_environment: dict[str, str], open_model: OpenModel, model_server: ModelServerControl
):
    model_server.reset()
    gateway, spec = open_model(), model("haiku")
    first = (await gateway.converse(make_request("full_enrichment", spec, cache_prefix=True))).usage
    second = (await gateway.converse(make_request("full_enrichment", spec, cache_prefix=True))).usage
    plain = (await gateway.converse(make_request("full_enrichment", spec))).usage
    assert first.cache_write_tokens >= (spec.cache_minimum_tokens or 0) > 0
    assert (second.cache_read_tokens, second.cache_write_tokens) == (first.cache_write_tokens, 0)
    assert first.input_tokens == second.input_tokens == plain.input_tokens - first.cache_write_tokens
    assert cost_micro_usd(second, spec.price) < cost_micro_usd(plain, spec.price) < cost_micro_usd(first, spec.price)


async def test_one_call_is_billed_once(
    aws_environment: dict[str, str], open_model: OpenModel, model_server: ModelServerControl
):
    model_server.reset()
    gateway = open_model()
    for analysis in ANALYSES:
        await gateway.converse(make_request(analysis))
    counters = model_server.counters()
    assert (counters["requests"], counters["billed"]) == (5, 5)


def test_missing_credentials_are_named_before_any_call(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="set AWS_ACCESS_KEY_ID"):
        BedrockModel(AwsClients(), concurrency=1, call_timeout_seconds=1)


async def test_refreshing_credentials_that_are_gone_names_the_fix(
    pointed_at: Callable[[str], BedrockModel], monkeypatch: pytest.MonkeyPatch
):
    gateway = pointed_at("http://127.0.0.1:9")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="No AWS credentials were found"):
        await gateway.refresh_credentials()


async def test_refreshed_credentials_sign_the_next_call(
    pointed_at: Callable[[str], BedrockModel], monkeypatch: pytest.MonkeyPatch
):
    async with raw_server(answering(VALID_REPLY)) as (url, seen):
        gateway = pointed_at(url)
        await gateway.converse(make_request())
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "renewed")
        await gateway.refresh_credentials()
        await gateway.converse(make_request())
    assert "Credential=local/" in seen[0][1]["authorization"]
    assert "Credential=renewed/" in seen[1][1]["authorization"]


class RoleClients(AwsClients):
    """Clients whose credentials come from a role and have to be renewed now."""

    def __init__(self, renew: Callable[[], dict[str, str]]) -> None:
        super().__init__()
        self._renew = renew

    def credentials(self) -> Any:
        return RefreshableCredentials.create_from_metadata(
            {"access_key": "old", "secret_key": "s", "token": "t", "expiry_time": "2020-01-01T00:00:00Z"},
            self._renew,
            "test",
        )


async def test_a_role_is_renewed_before_it_signs(monkeypatch: pytest.MonkeyPatch):
    renewed = {"access_key": "new", "secret_key": "s", "token": "tok", "expiry_time": "2999-01-01T00:00:00Z"}
    async with raw_server(answering(VALID_REPLY)) as (url, seen):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)
        gateway = BedrockModel(RoleClients(lambda: renewed), concurrency=1, call_timeout_seconds=1)
        await gateway.converse(make_request())
        await gateway.close()
    assert "Credential=new/" in seen[0][1]["authorization"]
    assert seen[0][1]["x-amz-security-token"] == "tok"


async def test_a_role_that_cannot_be_renewed_is_expired_credentials():
    def fail() -> dict[str, str]:
        raise CredentialRetrievalError(provider="test", error_msg="no network")

    gateway = BedrockModel(RoleClients(fail), concurrency=1, call_timeout_seconds=1)
    error = await error_of(gateway)
    assert error.error_class is ErrorClass.EXPIRED_CREDENTIALS
    assert "no network" in error.message
