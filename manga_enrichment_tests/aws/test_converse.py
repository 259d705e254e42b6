"""The Converse wire format, held against botocore's own service model and against arbitrary JSON."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

import botocore.session
import orjson
import pytest
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from manga_enrichment.aws.bedrock.converse import classify_error, parse_reply, request_body
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import AnswersBy
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass, ModelError
from manga_enrichment.gateways.model import ModelReply, Repair
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.contracts.prompts import make_request, model

SERVICE = botocore.session.get_session().get_service_model("bedrock-runtime")
CONVERSE = SERVICE.operation_model("Converse")
BROKEN = Repair({"primary_genre": "drama", "extra": [1, 2.5, None, {"名": "値"}]}, ("genres: missing", "extra: 未知"))
VARIANTS = list(itertools.product(ANALYSES, (None, BROKEN), (False, True)))
LEVEL = {"level": "teen", "min_age": 13, "basis": "synopsis", "confidence": 0.8}
LEVEL_JSON = json.dumps(LEVEL)


@pytest.mark.parametrize("model_id", load_models().models)
def test_every_request_is_valid_for_botocore_and_is_sent_as_botocore_would(model_id: str) -> None:
    assert CONVERSE.input_shape is not None
    serializer = create_serializer(SERVICE.metadata["protocol"], include_validation=False)
    for analysis, repair, cache_prefix in VARIANTS:
        body = request_body(make_request(analysis, model(model_id), repair=repair, cache_prefix=cache_prefix))
        parameters = {"modelId": model_id, **body}
        report = ParamValidator().validate(parameters, CONVERSE.input_shape)
        assert not report.has_errors(), report.generate_report()
        serialized = serializer.serialize_to_request(parameters, CONVERSE)
        assert orjson.loads(serialized["body"]) == orjson.loads(orjson.dumps(body))


@pytest.mark.parametrize("model_id", load_models().models)
def test_a_model_gets_only_what_it_takes(model_id: str) -> None:
    spec = model(model_id)
    body = request_body(make_request(spec=spec, max_tokens=321))
    assert body["inferenceConfig"]["maxTokens"] == 321
    assert ("temperature" in body["inferenceConfig"]) == spec.takes_temperature
    choices = {
        AnswersBy.FORCED_TOOL: {"tool": {"name": "record_genre_classification"}},
        AnswersBy.ANY_TOOL: {"any": {}},
        AnswersBy.AUTO_TOOL: {"auto": {}},
    }
    assert body.get("toolConfig", {}).get("toolChoice") == choices.get(spec.answers_by)
    assert ("outputConfig" in body) == (spec.answers_by is AnswersBy.TEXT_SCHEMA)
    assert (len(body["system"]) == 2) == (spec.answers_by is AnswersBy.JSON_TEXT)
    thinking = body.get("additionalModelRequestFields", {}).get("thinking")
    assert thinking == (None if spec.thinking_off is None else {"type": spec.thinking_off})


def test_the_cache_point_stands_after_all_that_is_the_same_for_every_title() -> None:
    request = make_request(cache_prefix=True)
    body = request_body(request)
    assert body["system"] == [{"text": request.prompt.system}, {"cachePoint": {"type": "default"}}]
    assert "cachePoint" not in orjson.dumps(body["messages"]).decode()
    assert "cachePoint" not in orjson.dumps(request_body(make_request())).decode()


def test_a_repair_turn_quotes_the_answer_and_its_problems() -> None:
    question, answer, complaint = request_body(make_request(repair=BROKEN))["messages"]
    assert question["role"] == complaint["role"] == "user"
    use = answer["content"][0]["toolUse"]
    result = complaint["content"][0]["toolResult"]
    assert use["input"] == BROKEN.answer
    assert use["toolUseId"] == result["toolUseId"]
    assert result["status"] == "error"
    assert all(problem in result["content"][0]["text"] for problem in BROKEN.problems)


def reply_document(content: Any, **other: Any) -> dict[str, Any]:
    usage = {"inputTokens": 11, "outputTokens": 3, "totalTokens": 14}
    message = {"role": "assistant", "content": content}
    return {"output": {"message": message}, "stopReason": "tool_use", "usage": usage, **other}


TOOL_USE = {"toolUse": {"toolUseId": "a", "name": "record_x", "input": {"level": "teen"}}}


def test_a_tool_answer_is_taken_before_any_text() -> None:
    reply = parse_reply(reply_document([{"text": 'thinking {"level": "kids"}'}, TOOL_USE]))
    assert reply == ModelReply("tool_use", {"level": "teen"}, Usage(11, 3), 'thinking {"level": "kids"}')


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"level": "teen"}', {"level": "teen"}),
        ('Here it is:\n```json\n{"level": "teen"}\n```', {"level": "teen"}),
        ("I would rather not.", None),
        ("} nothing {", None),
        ("{half", None),
        ("[1, 2]", None),
    ],
)
def test_json_in_a_text_answer_is_found(text: str, answer: dict[str, Any] | None) -> None:
    assert parse_reply(reply_document([{"text": text}])).answer == answer


def test_cached_tokens_are_counted_apart() -> None:
    usage = {"inputTokens": 5, "outputTokens": 2, "cacheReadInputTokens": 70, "cacheWriteInputTokens": None}
    assert parse_reply(reply_document([TOOL_USE], usage=usage)).usage == Usage(5, 2, 70, 0)


def test_a_missing_stop_reason_is_no_success() -> None:
    assert parse_reply(reply_document([TOOL_USE], stopReason=None)).stop_reason == "missing"


@pytest.mark.parametrize(
    "usage",
    [None, {}, {"inputTokens": 5}, {"inputTokens": -1, "outputTokens": 1}, {"inputTokens": "5", "outputTokens": True}],
)
def test_a_reply_whose_usage_cannot_be_read_does_not_count(usage: Any) -> None:
    with pytest.raises(ModelError) as caught:
        parse_reply(reply_document([TOOL_USE], usage=usage))
    assert caught.value.error_class is ErrorClass.EMPTY_ANSWER


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["output", "stopReason", "usage", "metrics"]), json_values))
def test_no_json_object_makes_reading_a_reply_fail_otherwise(document: dict[str, Any]) -> None:
    reads_or_raises_model_error(document)


@given(st.data())
def test_no_damage_to_a_good_reply_makes_reading_it_fail_otherwise(data: st.DataObject) -> None:
    document = orjson.loads(orjson.dumps(reply_document([{"text": "a"}, TOOL_USE])))
    target: Any = document
    while True:
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(target[key], (dict, list)) or not target[key] or data.draw(st.booleans()):
            break
        target = target[key]
    target[key] = data.draw(json_values)
    reads_or_raises_model_error(document)


def reads_or_raises_model_error(document: Mapping[str, Any]) -> None:
    try:
        reply = parse_reply(document)
    except ModelError as error:
        outcome: ErrorClass | None = error.error_class
    else:
        outcome = None
        assert reply.stop_reason
        assert min(reply.usage.input_tokens, reply.usage.output_tokens) >= 0
        assert reply.answer is None or isinstance(reply.answer, dict)
    assert outcome in {None, ErrorClass.EMPTY_ANSWER}


@given(
    status=st.integers(201, 599),
    headers=st.dictionaries(st.sampled_from(["x-amzn-ErrorType", "Retry-After", "Date"]), st.text(max_size=30)),
    payload=st.binary(max_size=100) | json_values.map(orjson.dumps),
)
def test_any_error_answer_gets_a_class(status: int, headers: dict[str, str], payload: bytes) -> None:
    error = classify_error(status, CIMultiDict(headers), payload)
    assert error.error_class in TREATMENTS
    assert len(error.message) < 400
    assert error.retry_after_seconds is None or 0 <= error.retry_after_seconds < float("inf")


NAMES = {
    "AccessDeniedException": ErrorClass.ACCESS_DENIED,
    "InternalServerException": ErrorClass.SERVICE_UNAVAILABLE,
    "ModelErrorException": ErrorClass.MODEL_ERROR,
    "ModelNotReadyException": ErrorClass.MODEL_NOT_READY,
    "ModelTimeoutException": ErrorClass.MODEL_TIMEOUT,
    "ResourceNotFoundException": ErrorClass.MODEL_NOT_FOUND,
    "ServiceUnavailableException": ErrorClass.SERVICE_UNAVAILABLE,
    "ThrottlingException": ErrorClass.THROTTLED,
    "ValidationException": ErrorClass.REQUEST_REFUSED,
}


def test_every_error_of_botocores_model_has_its_class() -> None:
    assert {shape.name for shape in CONVERSE.error_shapes} == set(NAMES)
    for shape in CONVERSE.error_shapes:
        status = shape.metadata["error"]["httpStatusCode"]
        for name in (shape.name, f"{shape.name}:http://internal.amazon.com/coral/", f"com.amazon#{shape.name}"):
            by_name = classify_error(status, CIMultiDict({"X-Amzn-Errortype": name}), b"{}")
            assert by_name.error_class is NAMES[shape.name]
        in_body = classify_error(status, CIMultiDict(), orjson.dumps({"__type": shape.name}))
        assert in_body.error_class is NAMES[shape.name]
        nameless = classify_error(status, CIMultiDict(), b"").error_class
        assert TREATMENTS[nameless] == TREATMENTS[NAMES[shape.name]], "the status alone leads to the same treatment"


@pytest.mark.parametrize(
    ("message", "error_class"),
    [
        ("The provided model identifier is invalid.", ErrorClass.MODEL_NOT_FOUND),
        (
            "Invocation of model ID x with on-demand throughput isn’t supported. Retry with an inference profile.",
            ErrorClass.MODEL_NOT_FOUND,
        ),
        ("Operation not allowed", ErrorClass.ACCESS_DENIED),
        ("messages.0: the text field is blank", ErrorClass.INVALID_REQUEST),
        ("prompt is too long: 213123 tokens > 200000 maximum", ErrorClass.INVALID_REQUEST),
        ("data retention mode 'default' is not available for this model", ErrorClass.ACCOUNT_REFUSED),
        ("`temperature` is deprecated for this model.", ErrorClass.ACCOUNT_REFUSED),
        (
            "Access to Anthropic models is not allowed from unsupported countries, regions, or territories.",
            ErrorClass.ACCOUNT_REFUSED,
        ),
        ("The maximum tokens you requested exceeds the model limit of 8192.", ErrorClass.ACCOUNT_REFUSED),
        ("something that nobody has ever read", ErrorClass.REQUEST_REFUSED),
        ("The service tier flex is not supported for this model", ErrorClass.TIER_REFUSED),
    ],
)
def test_a_wrong_setting_is_not_blamed_on_the_title(message: str, error_class: ErrorClass) -> None:
    headers = CIMultiDict({"x-amzn-ErrorType": "ValidationException"})
    error = classify_error(400, headers, orjson.dumps({"message": message}))
    assert error.error_class is error_class
    assert message in error.message


@pytest.mark.parametrize(
    ("status", "name", "message", "error_class"),
    [
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", "daily_quota"),
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", "throttled"),
        (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            "access_denied",
        ),
        (
            404,
            "ResourceNotFoundException",
            "Model use case details have not been submitted for this account.",
            "access_denied",
        ),
        (404, "ResourceNotFoundException", "This model version has reached the end of its life.", "model_not_found"),
    ],
)
def test_words_say_more_than_the_name(status: int, name: str, message: str, error_class: str) -> None:
    error = classify_error(status, CIMultiDict({"x-amzn-ErrorType": name}), orjson.dumps({"message": message}))
    assert error.error_class == error_class


def test_what_mends_a_known_fault_is_kept_however_long_the_message_is() -> None:
    headers = CIMultiDict({"x-amzn-ErrorType": "ValidationException"})
    said = f"data retention mode 'default' is not available for this model {'x' * 900}"
    error = classify_error(400, headers, orjson.dumps({"message": said}))
    assert "account's settings of Bedrock" in error.message
    assert len(error.message) <= 300


@pytest.mark.parametrize(
    "content",
    [
        [{"toolUse": {"toolUseId": "1", "name": "x", "input": LEVEL_JSON}}],
        [{"toolUse": {"toolUseId": "1", "name": "x", "input": {"input": LEVEL_JSON}}}],
        [{"toolUse": {"toolUseId": "1", "name": "x", "input": {}}}, {"text": f"```json\n{LEVEL_JSON}\n```"}],
        [{"toolUse": {"toolUseId": "1", "name": "y", "input": {"q": 1}}}, {"toolUse": {"input": LEVEL}}],
        [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": f"{{So}}: {LEVEL_JSON}"}],
    ],
)
def test_an_answer_is_found_wherever_a_reply_holds_it(content: list[dict[str, Any]]) -> None:
    reply = parse_reply(reply_document(content)).shaped_for(ANALYSES["reading_level"])
    assert reply.answer == LEVEL


@pytest.mark.parametrize("status", [302, 307, 405, 407, 409, 425, 500, 502, 504, 529])
def test_what_nobody_names_is_taken_for_a_passing_failure(status: int) -> None:
    assert classify_error(status, CIMultiDict(), b"<html>").error_class is ErrorClass.SERVICE_UNAVAILABLE


@pytest.mark.parametrize(
    ("value", "seconds"), [("5", 5.0), ("0.5", 0.5), ("-3", 0.0), ("nan", None), ("inf", None), ("Wed, 1 Jul", None)]
)
def test_retry_after_is_read_when_it_is_a_number_of_seconds(value: str, seconds: float | None) -> None:
    assert classify_error(429, CIMultiDict({"retry-after": value}), b"").retry_after_seconds == seconds
