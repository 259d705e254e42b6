"""Whether a mapping template is sound: it is rendered with sample and hostile input, and the result is read back.

Belongs here: the inputs and what must come out of them. Stays out: the engine (`rendering.py`), the requests' rules.

A result counts when it is what it claims to be: JSON without a key twice, and in a workflow's input the queue's
envelope with exactly its keys. That holds for whatever a client may put into path, query, headers and body, and for
whatever the service answers.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from manga_enrichment.api.endpoints import Endpoint, Service
from manga_enrichment.api.rendering import Rendered, RenderingError, TemplateInput, parse, render
from manga_enrichment.domain.requests.schemas import ENVELOPE, schema_document

MAX_TEMPLATE_BYTES = 300_000
"""What API Gateway takes."""

HOSTILE_TEXTS = (
    "plain",
    '"',
    "'",
    "\\",
    '\\"',
    '", "partner_id": "evil", "x": "',
    "'}&MessageBody=evil&QueueUrl=evil",
    "%22%2C%26MessageBody%3Devil",
    "line\nbreak\r\n\ttab",
    "$input.body $context.identity.apiKey ${context.requestId}",
    "#set($partner = 'evil') #if(true) #end ## #* *#",
    "\u2028\u2029\u0085",
    "\x00\x1f\x7f",
    '{"nested": "{\\"json\\": 1}"}',
    "日本語 🐉 \ufeff",
    "</script><!--",
)
API_KEY_VALUE = "the-value-of-the-api-key-0123456789"  # in every context, so that a copy of it is noticed
SAMPLE_REQUEST_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SAMPLE_KEY_ID = "a1b2c3d4e5"
STAGE_VARIABLES = {
    "workflow": "arn:aws:states:ap-northeast-1:123456789012:stateMachine:requests",
    "status_table": "manga-fm-request-status",
    "budget_table": "manga-fm-budget",
}
_DYNAMODB = "com.amazonaws.dynamodb.v20120810#"
_OBJECT = re.compile(r"(?:none|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\.json")
_INPUT_KEYS = {"queue", "group", "partner_id", "api_key", "idempotency_key", "prefer", "message"}
_MESSAGE_KEYS = set(schema_document(ENVELOPE)["required"]) - {"request_id", "partner_id"}  # the workflow adds them
_SECRETS = ("receipt", "arn:aws", "anthropic.", API_KEY_VALUE)


def problems_of(endpoint: Endpoint, template: str, status: int | None) -> list[str]:
    """Sentences, none when the template is sound; of many alike only the first."""
    if len(template.encode()) > MAX_TEMPLATE_BYTES:
        return [f"it is larger than the {MAX_TEMPLATE_BYTES} bytes that API Gateway takes"]
    try:
        parse(template)
    except RenderingError as error:
        return [f"it is no Velocity template: {error}"]
    inputs = request_inputs(endpoint) if status is None else response_inputs(endpoint)
    check = _check_of(endpoint, status)
    found: dict[str, None] = {}
    for given in inputs:
        try:
            complaint = check(render(template, given), given)
        except RenderingError as error:
            complaint = f"it cannot be rendered: {error}"
        if complaint:
            found[complaint] = None
    return list(found)[:5]


def request_inputs(endpoint: Endpoint) -> Iterator[TemplateInput]:
    """What clients may send, from a plain request to hostile texts in every place."""
    for text in HOSTILE_TEXTS:
        yield _given(endpoint, text, body=json.dumps(_body(endpoint, text)))
        yield replace(_given(endpoint, text, body=json.dumps(_body(endpoint, text))), context=sample_context(text))
    yield _given(endpoint, "plain", body="{}")


def response_inputs(endpoint: Endpoint) -> Iterator[TemplateInput]:
    """What the service may answer: a success, errors, nothing, and texts that are no JSON."""
    answers = {Service.STATES: _workflow_answers, Service.S3: _object_answers}.get(endpoint.service, _dynamodb_answers)
    for text in HOSTILE_TEXTS:
        for answer in answers(text):
            yield _given(endpoint, text, body=json.dumps(answer))
            yield replace(_given(endpoint, text, body=json.dumps(answer)), context=sample_context(text))
    for answer in ("", "no JSON", "[]", "null", '"text"', "<xml/>"):
        yield _given(endpoint, "plain", body=answer)


def sample_context(request_id: str = SAMPLE_REQUEST_ID, api_key_id: str = SAMPLE_KEY_ID) -> dict[str, Any]:
    """`$context` of a request. request_id: any text, since a client may choose it."""
    return {
        "accountId": "123456789012",
        "apiId": "abcdefghij",
        "stage": "live",
        "requestId": request_id,
        "requestTime": "15/Jan/2026:03:00:00 +0000",
        "requestTimeEpoch": 1768446000000,
        "identity": {"apiKey": API_KEY_VALUE, "apiKeyId": api_key_id, "sourceIp": "192.0.2.1", "userAgent": "curl"},
    }


def _given(endpoint: Endpoint, text: str, *, body: str) -> TemplateInput:
    return TemplateInput(
        body=body,
        path=dict.fromkeys(endpoint.path_parameters, text),
        query={**dict.fromkeys(endpoint.query_parameters, text), "request_id": text, "priority": text, text: text},
        headers={
            "X-Api-Key": API_KEY_VALUE,
            "Content-Type": "application/json",
            "User-Agent": text,
            text: text,
            "Idempotency-Key": text,
            "prefer": text,
        },
        context=sample_context(),
        stage_variables=STAGE_VARIABLES,
    )


def _body(endpoint: Endpoint, text: str) -> Any:
    """Texts wherever a template looks, and names and depths that no schema would let through."""
    return {
        "priority": text,
        "conversation_id": text,
        "session_id": text,
        "context": {"session_id": text, "user_id": text},
        "partner_id": "evil",
        "request_id": text,
        text: [text, {text: text}, None, True, 1.5],
        endpoint.name: {"deep": [[[text]]]},
    }


def _workflow_answers(text: str) -> Iterator[Any]:
    """The body of an answer is the workflow's, and sound; how an execution failed is not for partners."""
    for status, told in ((200, {"success": True, "data": text}), (409, {"success": False, "error": text})):
        output = {"status": status, "body": json.dumps(told), "applied": text, "retry_after": "5"}
        yield {"status": "SUCCEEDED", "output": json.dumps(output), "input": text, "executionArn": "arn:aws:states:::x"}
    for outcome in ("FAILED", "TIMED_OUT", text):
        yield {"status": outcome, "error": text, "cause": f"{text} arn:aws:sqs:::queue", "output": text}
    for kind in ("ThrottlingException", "InvalidExecutionInput", "StateMachineDoesNotExist", text):
        yield {"__type": f"com.amazonaws.swf.service.v2.model#{kind}", "message": f"{text} arn:aws:states:::machine"}


def _object_answers(text: str) -> Iterator[Any]:
    yield {"request_id": SAMPLE_REQUEST_ID, "items": [{"answer": {text: text}, "reference": text}], "cost_usd": 0.1}
    yield {"items": text}


def _dynamodb_answers(text: str) -> Iterator[Any]:
    yield {}
    yield {"Item": status_item(text)}
    yield {"Item": {"request_id": {"S": text}, "partner_id": {"S": SAMPLE_KEY_ID}, "status": {"S": text}}}
    yield {"Item": {**status_item(text), "partner_id": {"S": text}}}
    yield {"Attributes": status_item(text)}
    yield {"Items": [status_item(text)] * 2, "LastEvaluatedKey": status_item(text)}
    yield {"Responses": {"manga-fm-budget": [{"counter": {"S": text}, "spent": {"N": "5"}}], text: [{}]}}
    yield {"__type": f"{_DYNAMODB}ConditionalCheckFailedException", "Item": status_item(text)}
    for kind in ("ThrottlingException", "ProvisionedThroughputExceededException", "ValidationException", text):
        yield {"__type": f"{_DYNAMODB}{kind}", "message": f"{text} arn:aws:dynamodb:::table"}


def status_item(text: str = "plain", partner: str = SAMPLE_KEY_ID) -> dict[str, Any]:
    """A whole status row as DynamoDB would give it, with a text in each attribute that holds one."""
    texts = (
        "request_id",
        "status",
        "schema",
        "submitted_at",
        "updated_at",
        "result_key",
        "error_class",
        "callback_state",
        "resumes_on",
        "reference",
    )
    return {
        **{name: {"S": text} for name in texts},
        "reason": {"S": "arn:aws:iam::123456789012:role/worker may not invoke anthropic.claude"},
        "problems": {"S": json.dumps([dict.fromkeys(("path", "code", "validator", "message"), text)])},
        "partner_id": {"S": partner},
        "receipt_handle": {"S": "the receipt handle"},
        "counts": {"M": {"succeeded": {"N": "98"}, text: {"N": "2"}}},
        "cost_usd": {"N": "0.0123"},
        "input_tokens": {"N": "41000"},
        "output_tokens": {"N": "9000"},
    }


def _check_of(endpoint: Endpoint, status: int | None) -> Callable[[Rendered, TemplateInput], str | None]:
    if status is not None:
        return _response_problem
    return _REQUEST_CHECKS[endpoint.service]


def _start_problem(rendered: Rendered, given: TemplateInput) -> str | None:
    start = _strict_json(rendered.text)
    if not isinstance(start, dict) or start.keys() != {"stateMachineArn", "input"}:
        return "the result is no StartSyncExecution with a machine and an input"
    started = _strict_json(start["input"])
    if start["stateMachineArn"] != STAGE_VARIABLES["workflow"] or not isinstance(started, dict):
        return "the machine is not the stage's, or the input is no JSON object"
    return _input_problem(started, given) or _leak(start["input"], given)


def _input_problem(started: Mapping[str, Any], given: TemplateInput) -> str | None:
    if started.keys() != _INPUT_KEYS:
        return f"the input has other fields than {', '.join(sorted(_INPUT_KEYS))}: {', '.join(started)}"
    message = started["message"]
    if not isinstance(message, dict) or message.keys() != _MESSAGE_KEYS:
        return "the message is not the envelope with exactly its keys"
    key_id = given.context["identity"]["apiKeyId"]
    if (started["partner_id"], started["api_key"]) != (key_id, key_id):
        return "the partner is not that of the request's context"
    if message["body"] != json.loads(given.body):
        return "the envelope's body is not what was sent"
    return None


def _table_request_problem(rendered: Rendered, given: TemplateInput) -> str | None:
    request = _strict_json(rendered.text)
    if not isinstance(request, dict):
        return "the result is no JSON object"
    if request.get("Key") != {"request_id": {"S": next(iter(given.path.values()))}}:
        return "the key is not the id that was asked for"
    return _leak(rendered.text, given)


def _query_problem(rendered: Rendered, given: TemplateInput) -> str | None:
    request, key_id = _strict_json(rendered.text), given.context["identity"]["apiKeyId"]
    if not isinstance(request, dict) or request.get("KeyConditionExpression") != "partner_id = :partner":
        return "the result is no query of one partner's requests"
    asked = [request["ExpressionAttributeValues"][":partner"]]
    asked += [request["ExclusiveStartKey"]["partner_id"]] if "ExclusiveStartKey" in request else []
    if any(each != {"S": key_id} for each in asked):
        return "the partner is not that of the request's context"
    return _leak(rendered.text, given)


def _counters_problem(rendered: Rendered, given: TemplateInput) -> str | None:
    request, key_id = _strict_json(rendered.text), given.context["identity"]["apiKeyId"]
    if not isinstance(request, dict):
        return "the result is no JSON object"
    keys = [value["S"] for table in request["RequestItems"].values() for key in table["Keys"] for value in key.values()]
    if any(key.split(":")[1] != key_id for key in keys):
        return "a counter is not that of the partner of the request's context"
    return _leak(rendered.text, given)


def _object_problem(rendered: Rendered, given: TemplateInput) -> str | None:
    partner, document = (rendered.path.get(name, "") for name in ("partner", "document"))
    is_own = partner == given.context["identity"]["apiKeyId"] and _OBJECT.fullmatch(document) is not None
    return None if is_own and not rendered.text.strip() else "no document of the partner of the context is asked for"


def _response_problem(rendered: Rendered, given: TemplateInput) -> str | None:
    document = _strict_json(rendered.text)
    if not isinstance(document, dict):
        return "the result is no JSON object, or has a key twice"
    if document.get("success") is not ((rendered.status or 0) < 400 and "data" in document):
        return "`success` does not say whether it was one"
    return _leak(rendered.text, given)


_REQUEST_CHECKS: Mapping[Service, Callable[[Rendered, TemplateInput], str | None]] = {
    Service.STATES: _start_problem,
    Service.DYNAMODB: _table_request_problem,
    Service.UPDATE: _table_request_problem,
    Service.QUERY: _query_problem,
    Service.BATCH_GET: _counters_problem,
    Service.S3: _object_problem,
}


def _leak(text: str, given: TemplateInput) -> str | None:
    """Only what the service or the context says may not come through; what a client sent may come back to it."""
    sent = json.dumps([given.path, given.query, sorted(given.context.items(), key=str)], default=str)
    told = [each for each in _SECRETS if each in text and (each == API_KEY_VALUE or each not in sent)]
    return f"the result gives away what nobody may see ({', '.join(told)})" if told else None


def _strict_json(text: str) -> Any:
    """None for what is no JSON and for an object that has a key twice."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except ValueError:
        return None


def _object(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)
