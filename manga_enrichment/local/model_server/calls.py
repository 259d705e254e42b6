"""The model endpoints: one HTTP request from arrival to answer, with its faults and its bill.

Belongs here: the order of quota, fault, work, bill and wait. Stays out: each of those.
A call is billed when its work is done, before its latency is waited for: a client that gives up pays.
"""

import asyncio
import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from manga_enrichment.domain.models.guardrails import Guardrail
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.local.model_server.answers.answering import answer, break_answer, output_limit, refuse
from manga_enrichment.local.model_server.answers.oddities import lose, wrap
from manga_enrichment.local.model_server.faults import Fault, FaultKind
from manga_enrichment.local.model_server.guardrails import Guarded, let_through, look_at, question_kept_back
from manga_enrichment.local.model_server.protocol import claude_messages, converse
from manga_enrichment.local.model_server.protocol.checks import check_request, find_model
from manga_enrichment.local.model_server.protocol.model_request import ModelRequest, Reply
from manga_enrichment.local.model_server.protocol.validation import ServiceError, expect_object, invalid, parse_json
from manga_enrichment.local.model_server.quota import Reservation
from manga_enrichment.local.model_server.state import ServerState

BY_QUOTA = "quota"


async def converse_endpoint(request: Request) -> Response:
    """POST /model/{modelId}/converse"""
    return await _call(request, converse)


async def invoke_endpoint(request: Request) -> Response:
    """POST /model/{modelId}/invoke"""
    return await _call(request, claude_messages)


async def count_tokens_endpoint(request: Request) -> Response:
    """POST /model/{modelId}/count-tokens: free, no faults."""
    state: ServerState = request.app.state.server
    raw = await request.body()
    state.meter.count_tokens += 1
    try:
        return json_response({"inputTokens": _read_count(state, request.path_params["model_id"], raw)})
    except ServiceError as error:
        return error_response(error)


def json_response(body: Mapping[str, Any]) -> Response:
    return raw_response(orjson.dumps(body))


def raw_response(body: bytes) -> Response:
    return Response(body, headers={"x-amzn-RequestId": str(uuid.uuid4())}, media_type="application/json")


def error_response(error: ServiceError) -> Response:
    """The shape every rest-json client reads: name in a header, message in the body."""
    headers = {"x-amzn-ErrorType": error.name, "x-amzn-RequestId": str(uuid.uuid4())}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    body = orjson.dumps({"message": error.message})
    return Response(body, error.status_code, headers=headers, media_type="application/json")


async def _call(http: Request, dialect: ModuleType) -> Response:
    state: ServerState = http.app.state.server
    state.meter.arrived()
    try:
        spec, request = _read(state, dialect, http.path_params["model_id"], await http.body())
        state.meter.accepted(spec)
        reservation = _reserve(state, spec, request)
        usage = Usage()
        try:
            fault = _draw(state, spec, request)
            await _fail_if_drawn(state, spec, fault)
            started = state.clock()
            reply, usage = _work(state, spec, request, fault)
            if fault.kind is FaultKind.HANG:
                await _hold(http, state.faults.settings.hang_limit_seconds)
            await asyncio.sleep(fault.latency_seconds)
        finally:
            reservation.settle(usage, spec.output_burndown)
        latency_ms = round((state.clock() - started) * 1000)
        return _damage(fault, orjson.dumps(dialect.render(spec.model_id, request, reply, usage, latency_ms)))
    except ServiceError as error:
        return error_response(error)
    except ClientDisconnect:
        state.meter.rejected()
        return error_response(invalid("The client left before its request was complete."))
    finally:
        state.meter.left()


def _work(state: ServerState, spec: ModelSpec, request: ModelRequest, fault: Fault) -> tuple[Reply, Usage]:
    """The reply, billed, and what the model took for it: nothing where a guardrail kept back the question."""
    switches = state.faults.settings.guardrail
    guarded = Guarded(look_at(request.guarded, switches)) if request.guardrail is not None else None
    if guarded is not None and guarded.question.is_blocked:
        reply, usage = question_kept_back(), Usage()
    else:
        reply = _reply(spec, request, fault)
        usage = state.cache.account(spec, request, reply.output_tokens, fault.latency_seconds)
        if state.metrics is not None:
            state.metrics.count(spec.model_id, usage)
    if guarded is not None and request.guardrail is not None:
        if usage != Usage() and reply.text is not None:
            guarded = replace(guarded, reply=look_at([reply.text], switches))
            reply = let_through(reply, guarded)
        if request.guardrail.traced and switches.traces:
            reply = replace(reply, trace=guarded.trace(request.guardrail.identifier))
    state.meter.bill(spec, request.digest, usage, fault.kind, guardrail_micro_usd=_took(state, guarded))
    return reply, usage


def _took(state: ServerState, guarded: Guarded | None) -> int:
    """In micro-dollars."""
    if guarded is None:
        return 0
    return Guardrail("", "", state.models.guardrail_prices).cost_micro_usd(guarded.units)


def _read(state: ServerState, dialect: ModuleType, model_id: str, raw: bytes) -> tuple[ModelSpec, ModelRequest]:
    try:
        spec = find_model(state.models, model_id)
        request: ModelRequest = dialect.parse(spec.model_id, parse_json(raw))
        check_request(spec, request)
        if words := state.faults.settings.refuses_all:
            raise invalid(words)
    except ServiceError:
        state.meter.rejected()
        raise
    return spec.in_tier(request.service_tier), request


def _reserve(state: ServerState, spec: ModelSpec, request: ModelRequest) -> Reservation:
    try:
        return state.quota.reserve(spec, request.input_tokens + output_limit(spec, request))
    except ServiceError:
        state.meter.throttled(spec, BY_QUOTA)
        raise


def _draw(state: ServerState, spec: ModelSpec, request: ModelRequest) -> Fault:
    """The fault of this request. A throttled one ends here, at once, as the service's do."""
    fault = state.faults.draw(request.digest)
    if fault.kind is FaultKind.THROTTLED:
        state.meter.throttled(spec, FaultKind.THROTTLED)
        raise ServiceError("ThrottlingException", "Too many requests, please wait before trying again.")
    if fault.kind is FaultKind.INVALID_ANSWER and request.repairs and not state.faults.settings.repairs_fail:
        return Fault(latency_seconds=fault.latency_seconds)
    return fault


async def _fail_if_drawn(state: ServerState, spec: ModelSpec, fault: Fault) -> None:
    if fault.kind is FaultKind.ERROR:
        state.meter.failed(spec)
        await asyncio.sleep(fault.latency_seconds)
        name = "InternalServerException" if fault.heads else "ServiceUnavailableException"
        raise ServiceError(name, "The offline server was asked to fail.")


def _reply(spec: ModelSpec, request: ModelRequest, fault: Fault) -> Reply:
    if fault.kind in {FaultKind.REFUSAL, FaultKind.CONTENT_FILTERED}:
        return refuse(filtered=fault.kind is FaultKind.CONTENT_FILTERED)
    reply = answer(spec, request)
    if fault.kind is FaultKind.WRAPPED:
        return wrap(reply, as_one=fault.heads)
    if fault.kind is FaultKind.LOST_ANSWER:
        return lose(reply, malformed=fault.heads)
    return break_answer(reply, request) if fault.kind is FaultKind.INVALID_ANSWER else reply


async def _hold(http: Request, limit_seconds: float) -> None:
    """Wait until the client is gone; the body was read, so the next event is its disconnect."""
    try:
        async with asyncio.timeout(limit_seconds):
            await http.receive()
    except TimeoutError as error:
        raise ServiceError("ModelTimeoutException", "The model took too long to answer.") from error


def _damage(fault: Fault, body: bytes) -> Response:
    """The answer, or what a broken proxy would make of it; the content length fits what is sent."""
    match fault.kind:
        case FaultKind.EMPTY:
            return raw_response(b"{}" if fault.heads else b"")
        case FaultKind.TRUNCATED:
            return raw_response(body[: len(body) // 2])
        case FaultKind.MALFORMED:
            return raw_response(b"<html><body>Bad gateway</body></html>")
    return raw_response(body)


def _read_count(state: ServerState, model_id: str, raw: bytes) -> int:
    spec = find_model(state.models, model_id)
    given = expect_object(parse_json(raw), "#", frozenset({"input"})).get("input")
    match given:
        case {"converse": body, **others} if not others:
            request = converse.parse(spec.model_id, body)
        case {"invokeModel": {"body": str() as encoded}, **others} if not others:
            try:
                decoded = base64.b64decode(encoded, validate=True)
            except binascii.Error as error:
                raise invalid("input.invokeModel.body must be base64") from error
            request = claude_messages.parse(spec.model_id, parse_json(decoded))
        case _:
            raise invalid("input must set exactly one of converse and invokeModel")
    return request.input_tokens
