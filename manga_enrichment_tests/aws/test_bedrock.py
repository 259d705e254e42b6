"""BedrockModel on the wire: what it sends, what it costs, and every way a connection can end."""

import asyncio
from dataclasses import replace
from typing import Any

import boto3
import botocore.session
import orjson
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from manga_enrichment.aws.bedrock.converse import request_body
from manga_enrichment.domain.models.usage import cost_micro_usd
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.local.stack.processes import free_port
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.aws.conftest import OpenModel, PointedAt, error_of
from manga_enrichment_tests.aws.raw_server import VALID_REPLY, Respond, answering, raw_server
from manga_enrichment_tests.contracts.prompts import make_request, model


@pytest.mark.parametrize(
    "model_id", ["global.anthropic.claude-haiku-4-5-20251001-v1:0", "arn:aws:bedrock:ap-northeast-1:1:x/y"]
)
async def test_path_body_and_signed_headers_are_those_of_boto3(pointed_at: PointedAt, model_id: str) -> None:
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


async def test_the_signature_covers_what_is_sent(pointed_at: PointedAt) -> None:
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


async def test_a_refused_connection_is_never_billed(pointed_at: PointedAt) -> None:
    error = await error_of(pointed_at("http://127.0.0.1:9"))
    assert error.error_class is ErrorClass.CONNECTION
    assert "http://127.0.0.1:9" in error.message
    assert "AWS_ENDPOINT_URL_BEDROCK_RUNTIME" in error.message


async def test_an_endpoint_where_nothing_answers_is_away_and_names_the_settings(pointed_at: PointedAt) -> None:
    with pytest.raises(ModelError, match=r"http://127\.0\.0\.1:9: if it never could.*RUNTIME") as raised:
        await pointed_at("http://127.0.0.1:9", reachable_seconds=0.0).check_reachable()
    assert raised.value.error_class is ErrorClass.CONNECTION


@pytest.mark.slow
async def test_an_endpoint_that_comes_back_in_time_is_reachable(pointed_at: PointedAt) -> None:
    port = free_port()
    model = pointed_at(f"http://127.0.0.1:{port}", reachable_seconds=60.0)
    checking = asyncio.create_task(model.check_reachable())
    await asyncio.sleep(0.2)
    assert not checking.done()
    async with raw_server(answering(VALID_REPLY), port=port):
        await checking


async def test_an_unknown_host_is_a_connection_failure(pointed_at: PointedAt) -> None:
    error = await error_of(pointed_at("http://bedrock.invalid"))
    assert error.error_class is ErrorClass.CONNECTION


async def _hang_up(_writer: asyncio.StreamWriter) -> None:
    return


async def _say_nothing(_writer: asyncio.StreamWriter) -> None:
    await asyncio.get_running_loop().create_future()


ENDINGS = [
    ("closed without an answer", _hang_up, ErrorClass.TRUNCATED_ANSWER),
    ("closed within the body", answering(VALID_REPLY[:40], length=len(VALID_REPLY)), ErrorClass.TRUNCATED_ANSWER),
    ("half a document", answering(VALID_REPLY[:40]), ErrorClass.TRUNCATED_ANSWER),
    ("garbled compression", answering(b"xx", headers="Content-Encoding: gzip\r\n"), ErrorClass.TRUNCATED_ANSWER),
    ("no body", answering(b""), ErrorClass.EMPTY_ANSWER),
    ("an empty object", answering(b"{}"), ErrorClass.EMPTY_ANSWER),
    ("not an object", answering(b"[1]"), ErrorClass.EMPTY_ANSWER),
    ("a redirect", answering(b"", status="307 T", headers="Location: /x\r\n"), ErrorClass.SERVICE_UNAVAILABLE),
    ("a proxy's page", answering(b"<html>", status="502 Bad Gateway"), ErrorClass.SERVICE_UNAVAILABLE),
    ("an overload", answering(b"{}", status="529 Overloaded"), ErrorClass.SERVICE_UNAVAILABLE),
]


@pytest.mark.parametrize(("how", "respond", "error_class"), ENDINGS, ids=[ending[0] for ending in ENDINGS])
async def test_every_bad_ending_is_classified(
    pointed_at: PointedAt, how: str, respond: Respond, error_class: ErrorClass
) -> None:
    async with raw_server(respond) as (url, seen):
        error = await error_of(pointed_at(url))
    assert error.error_class is error_class
    assert len(seen) == 1, "one call is one request"


@pytest.mark.slow
async def test_silence_is_a_read_timeout(pointed_at: PointedAt) -> None:
    async with raw_server(_say_nothing) as (url, seen):
        error = await error_of(pointed_at(url))
    assert error.error_class is ErrorClass.READ_TIMEOUT
    assert len(seen) == 1


async def test_retry_after_of_the_server_is_read(pointed_at: PointedAt) -> None:
    headers = "Retry-After: 7\r\nx-amzn-ErrorType: ThrottlingException:http://amazon\r\n"
    async with raw_server(answering(b'{"message":"x"}', status="429 T", headers=headers)) as (url, _):
        error = await error_of(pointed_at(url))
    assert (error.error_class, error.retry_after_seconds) == (ErrorClass.THROTTLED, 7.0)


async def test_a_proxy_of_the_environment_is_used(
    pointed_at: PointedAt, monkeypatch: pytest.MonkeyPatch, open_model: OpenModel
) -> None:
    async with raw_server(answering(VALID_REPLY)) as (url, seen):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://bedrock.invalid")
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        await open_model().converse(make_request())
    assert seen[0][0].startswith("http://bedrock.invalid/model/")


async def test_an_unknown_model_is_told_from_a_bad_prompt(
    aws_environment: dict[str, str], open_model: OpenModel
) -> None:
    unknown = replace(model("haiku"), model_id="anthropic.claude-none-v1:0")
    with pytest.raises(ModelError) as caught:
        await open_model().converse(make_request(spec=unknown))
    assert caught.value.error_class is ErrorClass.MODEL_NOT_FOUND


async def test_a_sampling_parameter_the_model_rejects_is_never_sent(
    aws_environment: dict[str, str], open_model: OpenModel
) -> None:
    spec = model("haiku")
    assert not spec.takes_temperature
    request = make_request(spec=spec)
    warm = replace(request, prompt=replace(request.prompt, temperature=0.2))
    assert (await open_model().converse(warm)).answer


async def test_an_answer_cut_off_by_its_limit_says_so(aws_environment: dict[str, str], open_model: OpenModel) -> None:
    reply = await open_model().converse(make_request("content_summary", max_tokens=30))
    assert reply.stop_reason == "max_tokens"
    assert reply.usage.output_tokens <= 30


async def test_a_cached_prefix_is_written_once_and_then_read(
    aws_environment: dict[str, str], open_model: OpenModel, model_server: ModelServerControl
) -> None:
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
) -> None:
    model_server.reset()
    gateway = open_model()
    for analysis in ANALYSES:
        await gateway.converse(make_request(analysis))
    counters = model_server.counters()
    assert (counters["requests"], counters["billed"]) == (5, 5)
