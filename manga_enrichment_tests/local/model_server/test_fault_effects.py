"""Every fault switch, as a client sees it and as the meter counts it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import jsonschema
import pytest
from botocore.exceptions import ClientError

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.local.stack.model_control import ModelControlError
from manga_enrichment_tests.analyses import get_analysis

MODEL_ID = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
CONVERSE = f"/model/{quote(MODEL_ID, safe='')}/converse"
RECORD = MangaRecord(
    "MNG-ABCD1234", "Ninth", synopsis="A baseball team aims for the national tournament, match by match."
)
Body = Callable[..., dict[str, Any]]


def hello(number: int = 0) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": f"Hello number {number}"}]}]}


async def post(server: Any, body: dict[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
    async with aiohttp.ClientSession() as session, session.post(server.url + CONVERSE, json=body) as response:
        return response.status, response.headers, await response.read()


def settled(counters: dict[str, Any]) -> bool:
    parts = ("billed", "throttled", "errors", "rejected")
    return bool(counters["requests"] == sum(counters[part] for part in parts) and counters["in_flight"] == 0)


def test_a_throttled_request_is_429_and_free(server: Any) -> None:
    server.control.faults(throttle_probability=1.0)
    with pytest.raises(server.bedrock.exceptions.ThrottlingException) as caught:
        server.ask()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    counters = server.control.counters()
    assert (counters["throttled"], counters["billed"], counters["cost_micro_usd"]) == (1, 0, 0)
    assert counters["by_fault"] == {"throttled": 1}
    assert settled(counters)


def test_errors_are_a_mix_of_500_and_503_and_free(server: Any) -> None:
    server.control.faults(error_probability=1.0)
    names = set()
    for number in range(20):
        with pytest.raises(ClientError) as caught:
            server.ask(f"Hello {number}")
        names.add((caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]))
    assert names == {("InternalServerException", 500), ("ServiceUnavailableException", 503)}
    counters = server.control.counters()
    assert (counters["errors"], counters["billed"]) == (20, 0)
    assert settled(counters)


def test_empty_answers_are_no_body_or_no_content_and_billed(server: Any) -> None:
    server.control.faults(empty_probability=1.0)
    bodies = {asyncio.run(post(server, hello(number)))[2] for number in range(20)}
    assert bodies == {b"", b"{}"}
    assert server.control.counters()["billed"] == 20
    assert server.control.counters()["by_fault"] == {"empty": 20}


def test_truncated_and_malformed_answers_are_whole_http_with_broken_json_and_billed(server: Any) -> None:
    for switch in ("truncated_probability", "malformed_probability"):
        server.control.faults(**{switch: 1.0})
        status, headers, raw = asyncio.run(post(server, hello()))
        assert (status, int(headers["Content-Length"])) == (200, len(raw))
        with pytest.raises(json.JSONDecodeError):
            json.loads(raw)
    counters = server.control.counters()
    assert (counters["billed"], counters["duplicates"]) == (2, 1)
    assert counters["cost_micro_usd"] > 0


def test_boto3_sees_a_broken_body_as_an_answer_without_content(server: Any) -> None:
    server.control.faults(truncated_probability=1.0)
    assert set(server.ask()) == {"ResponseMetadata"}


def test_a_refusal_ends_its_turn_with_text_instead_of_the_tool(server: Any, converse_body: Body) -> None:
    server.control.faults(refusal_probability=1.0)
    answer = server.bedrock.converse(modelId=MODEL_ID, **converse_body("reading_level", RECORD))
    assert answer["stopReason"] == "end_turn"
    assert "can't help" in answer["output"]["message"]["content"][0]["text"]
    assert server.control.counters()["billed"] == 1


def test_filtered_content_has_a_stop_reason_of_its_own(server: Any, converse_body: Body) -> None:
    server.control.faults(content_filtered_probability=1.0)
    answer = server.bedrock.converse(modelId=MODEL_ID, **converse_body("reading_level", RECORD))
    assert answer["stopReason"] == "content_filtered"
    assert server.control.counters()["by_fault"] == {"content_filtered": 1}


def repair_of(body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    use = answer["output"]["message"]["content"][0]["toolUse"]
    result = {"toolUseId": use["toolUseId"], "content": [{"text": "breaks the schema"}], "status": "error"}
    turns = [
        {"role": "assistant", "content": [{"toolUse": use}]},
        {"role": "user", "content": [{"toolResult": result}]},
    ]
    return {**body, "messages": [*body["messages"], *turns]}


@pytest.mark.parametrize("analysis_name", ["genre_classification", "full_enrichment"])
def test_an_invalid_answer_breaks_the_schema_and_its_repair_does_not(
    server: Any, converse_body: Body, analysis_name: str
) -> None:
    schema = dict(get_analysis(analysis_name).output_schema)
    server.control.faults(invalid_answer_probability=1.0)
    body = converse_body(analysis_name, RECORD)
    broken = server.bedrock.converse(modelId=MODEL_ID, **body)
    repaired = server.bedrock.converse(modelId=MODEL_ID, **repair_of(body, broken))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken["output"]["message"]["content"][0]["toolUse"]["input"], schema)
    jsonschema.validate(repaired["output"]["message"]["content"][0]["toolUse"]["input"], schema)


def test_repairs_fail_too_when_asked_to(server: Any, converse_body: Body) -> None:
    server.control.faults(invalid_answer_probability=1.0, repairs_fail=True)
    body = converse_body("reading_level", RECORD)
    repaired = server.bedrock.converse(
        modelId=MODEL_ID, **repair_of(body, server.bedrock.converse(modelId=MODEL_ID, **body))
    )
    assert "not_in_the_schema" in repaired["output"]["message"]["content"][0]["toolUse"]["input"]


async def counters_when(server: Any, name: str, value: int) -> dict[str, Any]:
    """The counters, once one of them has this value."""
    while (counters := server.control.counters())[name] != value:  # noqa: ASYNC110 - another thread's loop counts
        await asyncio.sleep(0.02)
    return dict(counters)


@pytest.mark.slow
async def test_hung_requests_are_held_side_by_side_until_the_clients_go_and_are_billed(server: Any) -> None:
    server.control.faults(hang_probability=1.0)
    calls = [asyncio.create_task(post(server, hello(number))) for number in range(8)]
    held = await counters_when(server, "in_flight", 8)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    counters = await counters_when(server, "in_flight", 0)
    assert held["max_in_flight"] == counters["max_in_flight"] == 8
    assert (counters["hung"], counters["billed"]) == (8, 8)
    assert settled(counters)


@pytest.mark.slow
def test_a_hung_request_ends_by_itself_at_its_limit(server: Any) -> None:
    server.control.faults(hang_probability=1.0, hang_limit_seconds=0.05)
    with pytest.raises(server.bedrock.exceptions.ModelTimeoutException):
        server.ask()
    assert settled(server.control.counters())


@pytest.mark.slow
def test_latency_is_waited_for_and_reported(server: Any) -> None:
    server.control.faults(latency={"fixed_ms": 60})
    assert server.ask()["metrics"]["latencyMs"] >= 59  # uvloop's timers round to whole milliseconds


def test_a_quota_answers_429_with_retry_after(server: Any) -> None:
    server.control.faults(quota={"requests_per_minute": 2, "burst_seconds": 30})
    assert asyncio.run(post(server, hello()))[0] == 200
    status, headers, _ = asyncio.run(post(server, hello()))
    assert (status, headers["x-amzn-ErrorType"]) == (429, "ThrottlingException")
    assert 1 <= int(headers["Retry-After"]) <= 30
    assert server.control.counters()["by_fault"] == {"quota": 1}


def test_a_token_quota_gives_back_what_was_reserved_and_not_used(server: Any) -> None:
    server.control.faults(quota={"tokens_per_minute": 6_000, "burst_seconds": 60})
    for _ in range(5):
        server.ask(inferenceConfig={"maxTokens": 5_000})
    with pytest.raises(server.bedrock.exceptions.ThrottlingException):
        server.ask("Hello " * 2_000)


async def outcomes(server: Any, order: list[int]) -> dict[int, tuple[int, bytes]]:
    """Status and body by request number, all in flight at once; latencies cut out, they are measured."""

    async def one(number: int) -> tuple[int, tuple[int, bytes]]:
        status, _, raw = await post(server, hello(number))
        return number, (status, raw.partition(b'"metrics"')[0])

    return dict(await asyncio.gather(*(one(number) for number in order)))


def test_the_same_seed_gives_every_request_the_same_fate_whatever_the_order(server: Any) -> None:
    switches: dict[str, Any] = {
        "throttle_probability": 0.25,
        "error_probability": 0.2,
        "empty_probability": 0.2,
        "refusal_probability": 0.2,
        "seed": 11,
    }
    server.control.faults(**switches)
    forward = asyncio.run(outcomes(server, list(range(30))))
    server.control.faults(**switches)
    backward = asyncio.run(outcomes(server, list(range(29, -1, -1))))
    assert forward == backward
    assert len({status for status, _ in forward.values()}) >= 3


def test_settings_can_be_read_back_and_a_put_replaces_all(server: Any) -> None:
    at_rest = server.control.current_faults()
    server.control.faults(latency={"lognormal": {"median_ms": 900, "sigma": 0.4}}, seed=3)
    assert server.control.current_faults()["latency"]["lognormal"] == {"median_ms": 900.0, "sigma": 0.4}
    assert server.control.faults() == at_rest


def test_an_unknown_switch_is_refused_and_changes_nothing(server: Any) -> None:
    server.control.faults(seed=4)
    with pytest.raises(ModelControlError, match=r"400 .*throttle_rate"):
        server.control.faults(throttle_rate=0.5)
    assert server.control.current_faults()["seed"] == 4


async def test_a_reset_keeps_the_switches_unless_it_is_told_not_to(server: Any) -> None:
    server.control.faults(seed=4)
    server.ask()
    async with aiohttp.ClientSession() as session:
        for path, seed in (("/_control/reset", 4), ("/_control/reset?faults=1", 0)):
            async with session.post(server.url + path) as response:
                assert response.status == 200
            assert server.control.counters()["requests"] == 0
            assert server.control.current_faults()["seed"] == seed
        async with session.get(server.url + "/_control/health") as response:
            assert await response.json() == {"status": "ok", "stand_in": True}
