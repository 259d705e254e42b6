"""The Converse wire format: request bodies, replies, error classes. Pure functions of dictionaries.

Field names and error names: botocore's bedrock-runtime service model, operation Converse.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import orjson

from manga_enrichment.aws.bedrock.guarded import guarded_messages, guarding, guardrail_config
from manga_enrichment.domain.models.specs import AnswersBy
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.domain.outcomes.known_faults import known_fault
from manga_enrichment.gateways.model import ModelCall, ModelReply

_BY_NAME = {
    "ThrottlingException": ErrorClass.THROTTLED,
    "TooManyRequestsException": ErrorClass.THROTTLED,
    "ServiceQuotaExceededException": ErrorClass.THROTTLED,
    "ModelNotReadyException": ErrorClass.MODEL_NOT_READY,
    "ModelTimeoutException": ErrorClass.MODEL_TIMEOUT,
    "ModelErrorException": ErrorClass.MODEL_ERROR,
    "InternalServerException": ErrorClass.SERVICE_UNAVAILABLE,
    "ServiceUnavailableException": ErrorClass.SERVICE_UNAVAILABLE,
    "ExpiredToken": ErrorClass.EXPIRED_CREDENTIALS,
    "ExpiredTokenException": ErrorClass.EXPIRED_CREDENTIALS,
    "RequestExpired": ErrorClass.EXPIRED_CREDENTIALS,
    "AccessDeniedException": ErrorClass.ACCESS_DENIED,
    "UnrecognizedClientException": ErrorClass.ACCESS_DENIED,
    "InvalidSignatureException": ErrorClass.ACCESS_DENIED,
    "ResourceNotFoundException": ErrorClass.MODEL_NOT_FOUND,
    "ValidationException": ErrorClass.REQUEST_REFUSED,
}
_BY_STATUS = {
    400: ErrorClass.REQUEST_REFUSED,
    401: ErrorClass.ACCESS_DENIED,
    403: ErrorClass.ACCESS_DENIED,
    404: ErrorClass.MODEL_NOT_FOUND,
    408: ErrorClass.MODEL_TIMEOUT,
    413: ErrorClass.INVALID_REQUEST,
    422: ErrorClass.REQUEST_REFUSED,
    424: ErrorClass.MODEL_ERROR,
    429: ErrorClass.THROTTLED,
}
_MAY_MEAN_MORE = frozenset(
    {ErrorClass.REQUEST_REFUSED, ErrorClass.THROTTLED, ErrorClass.ACCESS_DENIED, ErrorClass.MODEL_NOT_FOUND}
)
_MESSAGE_LIMIT = 300
_JSON_WANTED = "Answer with nothing but one JSON object that fits this JSON Schema:"


def request_body(call: ModelCall) -> dict[str, Any]:
    """The JSON body of the Converse request for one call."""
    prompt = call.prompt
    inference: dict[str, Any] = {"maxTokens": call.max_tokens}
    if prompt.temperature is not None and call.model.takes_temperature:
        inference["temperature"] = prompt.temperature
    system: list[dict[str, Any]] = [{"text": prompt.system}]
    if call.model.answers_by is AnswersBy.JSON_TEXT and call.guardrail is None:
        system.append({"text": f"{_JSON_WANTED}\n{_schema_text(call)}"})
    if call.cache_prefix:
        system.append({"cachePoint": {"type": "default"}})  # tools come before system in the cached prefix
    body = {
        "system": system,
        "messages": _messages(call),
        "inferenceConfig": inference,
        **_answer_config(call),
    }
    if call.model.service_tier:
        body["serviceTier"] = {"type": call.model.service_tier}
    if call.model.thinking_off is not None:
        body["additionalModelRequestFields"] = {"thinking": {"type": call.model.thinking_off}}
    return body


def _answer_config(call: ModelCall) -> dict[str, Any]:
    """The tool that the answer comes through, the schema of its text, or the guardrail that it passes as text."""
    if call.guardrail is not None:
        return {"guardrailConfig": guardrail_config(call.guardrail)}
    prompt, answers_by = call.prompt, call.model.answers_by
    if answers_by is AnswersBy.JSON_TEXT:
        return {}
    if answers_by is AnswersBy.TEXT_SCHEMA:
        schema = {"schema": _schema_text(call), "name": prompt.tool_name, "description": prompt.tool_description}
        return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}}
    tool = {
        "name": prompt.tool_name,
        "description": prompt.tool_description,
        "inputSchema": {"json": prompt.tool_schema},
        **({"strict": True} if call.model.strict_tool else {}),
    }
    choices = {AnswersBy.FORCED_TOOL: {"tool": {"name": prompt.tool_name}}, AnswersBy.ANY_TOOL: {"any": {}}}
    choice = choices.get(answers_by, {"auto": {}})
    return {"toolConfig": {"tools": [{"toolSpec": tool}], "toolChoice": choice}}


def _schema_text(call: ModelCall) -> str:
    return orjson.dumps(call.prompt.tool_schema).decode()


def _messages(call: ModelCall) -> list[dict[str, Any]]:
    if call.guardrail is not None:
        return guarded_messages(call.prompt, call.repair, call.text_field)
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"text": call.prompt.user}]}]
    if call.repair is not None:
        use_id = "repair_1"
        use = {"toolUseId": use_id, "name": call.prompt.tool_name, "input": dict(call.repair.answer)}
        text = "The answer breaks the schema. Answer again, complete and valid. Problems:\n- " + "\n- ".join(
            call.repair.problems
        )
        if not call.model.answers_by_tool:
            answered = orjson.dumps(dict(call.repair.answer)).decode()
            messages.append({"role": "assistant", "content": [{"text": answered}]})
            messages.append({"role": "user", "content": [{"text": text}]})
            return messages
        result = {"toolUseId": use_id, "content": [{"text": text}], "status": "error"}
        messages.append({"role": "assistant", "content": [{"toolUse": use}]})
        messages.append({"role": "user", "content": [{"toolResult": result}]})
    return messages


def parse_reply(document: Mapping[str, Any], text_field: str = "") -> ModelReply:
    """A reply from a 200 body. text_field: of the answer, where it was asked for as text (`ModelCall.text_field`).

    Raises ModelError(EMPTY_ANSWER) when usage or content is missing or unreadable.
    """
    usage = document.get("usage")
    content = _at(document, "output", "message", "content")
    if not isinstance(usage, dict) or not isinstance(content, list):
        raise ModelError(ErrorClass.EMPTY_ANSWER, "the answer has no usage or no content")
    tool_inputs = [_at(block, "toolUse", "input") for block in content if _at(block, "toolUse") is not None]
    texts = [_at(block, "text") for block in content]
    text = "".join(each for each in texts if isinstance(each, str))
    found = ({text_field: text.strip()},) if text_field else (*tool_inputs, json_in_text(text), text)
    answer = next((each for each in found if each is not None), None)
    stop_reason = document.get("stopReason")
    return ModelReply(
        stop_reason=stop_reason if isinstance(stop_reason, str) and stop_reason else "missing",
        answer=answer if isinstance(answer, dict) else None,
        usage=Usage(
            input_tokens=_tokens(usage, "inputTokens"),
            output_tokens=_tokens(usage, "outputTokens"),
            cache_read_tokens=_tokens(usage, "cacheReadInputTokens", optional=True),
            cache_write_tokens=_tokens(usage, "cacheWriteInputTokens", optional=True),
        ),
        text=text,
        guarding=guarding(document) if text_field else None,
        service_tier=str(_at(document, "serviceTier", "type") or ""),
        found=found,
    )


def _at(value: Any, *path: str) -> Any:
    """What lies at a path of keys; None where the path ends early."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _tokens(usage: Mapping[str, Any], name: str, *, optional: bool = False) -> int:
    count = usage.get(name)
    if count is None and optional:
        return 0
    if isinstance(count, float) and count.is_integer():  # how the JSON reader gives numbers of more than 64 bits
        count = int(count)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ModelError(ErrorClass.EMPTY_ANSWER, f"the answer's usage cannot be read: {name} is {count!r:.50}")
    return count


def json_in_text(text: str) -> Any:
    """The outermost JSON object of a text answer, for models that may answer without the tool."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        return orjson.loads(text[start : end + 1])
    except json.JSONDecodeError:
        return None


def classify_error(status: int, headers: Mapping[str, str], payload: bytes) -> ModelError:
    """The error class of an answer other than 200: by exception name first, by status where the name is new.

    `headers` must not mind upper and lower case. What neither tells is taken for a passing failure of something on
    the way: only what is known to be a title's own fault may be remembered as one.
    """
    document = _error_document(payload)
    name = _error_name(headers, document)
    message = str(
        document.get("message") or document.get("Message") or payload[:_MESSAGE_LIMIT].decode("utf-8", "replace")
    )
    message = message[:_MESSAGE_LIMIT]
    error_class = _BY_NAME.get(name) or _BY_STATUS.get(status, ErrorClass.SERVICE_UNAVAILABLE)
    if error_class in _MAY_MEAN_MORE and (known := known_fault(message)) is not None:
        error_class, message = known.error_class, known.explained(message)
    return ModelError(error_class, f"{name or status}: {message}", retry_after_seconds=_retry_after_seconds(headers))


def _error_document(payload: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(payload)
    except json.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _error_name(headers: Mapping[str, str], document: Mapping[str, Any]) -> str:
    """In a header or, from something in between, in the body; both may carry more than the bare name."""
    names = (headers.get("x-amzn-ErrorType"), document.get("code"), document.get("__type"))
    name = next((each for each in names if isinstance(each, str)), "")
    return name.split(":")[0].rsplit("#", 1)[-1]


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds only: the other form, a date, would need a clock, and our own pauses grow anyway."""
    try:
        seconds = float(headers["Retry-After"])
    except (KeyError, ValueError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
