"""What the AWS emulator's API Gateway lacks: whole Velocity, `$context`, overrides, workflows, DynamoDB, fault details.

Belongs here: carrying out integrations of type AWS as API Gateway does, and hanging that into the emulator. Stays out:
the engine (`api/rendering.py`), Step Functions (`workflows.py`), everything the emulator does itself: routes, API
keys, usage plans, throttling, models, gateway responses, tables.

The emulator (ministack 1.5) renders a subset without conditions and with an empty `$context`; so no template that says
who sent a request could run. Its CloudFormation also makes no request validators. It has no hook for this:
`install` replaces some of its functions, and refuses to when one of them is not what it was written for. The packages'
versions are pinned.
"""

import inspect
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from itertools import islice
from types import ModuleType
from typing import Any
from urllib.parse import quote

from jsonschema import Draft4Validator
from ministack import app
from ministack.services import apigateway_v1, dynamodb
from ministack.services.cloudformation import provisioners

from manga_enrichment.api.rendering import RenderingError, TemplateInput, render
from manga_enrichment.local.stack.endpoints import REGION
from manga_enrichment.local.stack.workflows import (
    S3_CREDENTIAL,
    UnknownEmulatorError,
    install_workflows,
    start_sync_execution,
)

Answer = tuple[int, dict[str, str], bytes]
Service = Callable[[str], Awaitable[tuple[int, str]]]

_JSON = {"Content-Type": "application/json"}
_INTERNAL_ERROR: Answer = (500, _JSON, b'{"message": "Internal server error"}')
_MAX_DETAILS = 5
_REPLACED = {
    "_invoke_lambda_custom_v1": ("integration", "api_id", "stage_name", "stage", "resource"),
    "_check_request_validation": ("method_obj", "api_id", "request", "headers", "body", "query_params"),
    "_gateway_error_response": ("error", "request"),
}
_USED = (
    *("_select_service_integration_response", "_resolve_api_key", "_api_key_from_request"),
    *("_model_schema", "_create_request_validator", "_resources"),
)


def check_emulator(module: ModuleType) -> None:
    """Whether ministack's API Gateway has all that is replaced or used here. Raises UnknownEmulatorError."""
    for name, parameters in _REPLACED.items():
        present = getattr(module, name, None)
        if present is None or tuple(inspect.signature(present).parameters)[: len(parameters)] != parameters:
            raise UnknownEmulatorError(f"ministack has another {name}: install the version in constraints.txt")
    if missing := [name for name in _USED if not hasattr(module, name)]:
        raise UnknownEmulatorError(f"ministack lacks {', '.join(missing)}: install the version in constraints.txt")


def install() -> None:
    """Replace the functions, once per process. Raises UnknownEmulatorError."""
    check_emulator(apigateway_v1)
    install_workflows()
    provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::RequestValidator"]["create"] = _create_validator
    methods = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Method"]
    methods.update({each: _with_validator(methods[each]) for each in ("create", "update")})
    apigateway_v1._invoke_lambda_custom_v1 = _other_integration(apigateway_v1._invoke_lambda_custom_v1)
    apigateway_v1._check_request_validation = _check_with_details(apigateway_v1._check_request_validation)
    apigateway_v1._gateway_error_response = _response_with_details(apigateway_v1._gateway_error_response)


def _create_validator(_logical_id: str, properties: Mapping[str, Any], _stack_name: str) -> tuple[str, dict[str, str]]:
    settings = {name[0].lower() + name[1:]: value for name, value in properties.items()}
    _, _, body = apigateway_v1._create_request_validator(properties["RestApiId"], settings)
    validator_id = json.loads(body)["id"]
    return validator_id, {"RequestValidatorId": validator_id}


def _with_validator(original: Callable[..., Any]) -> Callable[..., Any]:
    """CloudFormation's create and update of a method; the properties are the last argument but one of either."""

    def provision(*arguments: Any) -> Any:
        provisioned, properties = original(*arguments), arguments[-2]
        resource = apigateway_v1._resources[properties["RestApiId"]][properties["ResourceId"]]
        method = resource["resourceMethods"][properties["HttpMethod"]]
        method["requestValidatorId"] = properties.get("RequestValidatorId")
        return provisioned

    return provision


def _other_integration(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def invoke(integration: Mapping[str, Any], *request: Any, **options: Any) -> Any:
        if _OBJECTS in str(integration.get("uri", "")):
            return await _carry_out(integration, _template_input(*request), _get_object)
        for action, service in _SERVICES.items():
            if str(integration.get("uri", "")).endswith(action):
                return await _carry_out(integration, _template_input(*request), service)
        return await original(integration, *request, **options)

    return invoke


def _template_input(*request: Any) -> TemplateInput:
    """request: what the emulator hands to every integration, by position."""
    api_id, stage_name, stage, resource, path, method, headers, body, query, path_parameters = request
    key_value = apigateway_v1._api_key_from_request(headers)
    key = apigateway_v1._resolve_api_key(key_value) or {}
    context = {
        "apiId": api_id,
        "stage": stage_name,
        "resourcePath": resource.get("path", path),
        "httpMethod": method,
        "requestId": str(uuid.uuid4()),
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
        "requestTimeEpoch": int(time.time() * 1000),
        "identity": {"apiKey": key_value, "apiKeyId": key.get("id", "")},
    }
    return TemplateInput(
        body=body.decode("utf-8", "replace") if body else "",
        path=dict(path_parameters or {}),
        query={name: value[0] if isinstance(value, list) else value for name, value in query.items()},
        headers={name: value for name, value in headers.items() if isinstance(value, str)},
        context=context,
        stage_variables=stage.get("variables") or {},
    )


async def _carry_out(integration: Mapping[str, Any], given: TemplateInput, service: Service) -> Answer:
    """Render, call, choose the response, render. A template that fails is a 500, as on AWS."""
    try:
        request = render(_template(integration, "requestTemplates"), given)
        status, answer = await service(_object_path(integration["uri"], request.path) or request.text)
        chosen = apigateway_v1._select_service_integration_response(integration, status)
        if chosen is None:
            return _INTERNAL_ERROR
        response = render(_template(chosen, "responseTemplates"), replace(given, body=answer))
    except RenderingError:
        return _INTERNAL_ERROR
    headers = {**_JSON, **response.headers}
    return response.status or int(chosen["statusCode"]), headers, response.text.encode("utf-8", "replace")


def _template(holder: Mapping[str, Any], kind: str) -> str:
    return str((holder.get(kind) or {}).get("application/json", ""))


def _of_dynamodb(action: str) -> Service:
    async def call(request: str) -> tuple[int, str]:
        target = {"x-amz-target": f"DynamoDB_20120810.{action}", "host": "127.0.0.1"}
        status, _, body = await dynamodb.handle_request("POST", "/", target, request.encode("utf-8", "replace"), {})
        return status, body.decode("utf-8") if isinstance(body, bytes) else body

    return call


_OBJECTS = ":s3:path/"


def _object_path(uri: str, parts: Mapping[str, str]) -> str:
    """Bucket and key that the URI of an integration of S3 comes to; "" for that of another service."""
    _, found, path = uri.partition(_OBJECTS)
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path if found else ""


async def _get_object(path: str) -> tuple[int, str]:
    headers = {"host": f"s3.{REGION}.amazonaws.com", "authorization": S3_CREDENTIAL}
    status, _, body = await app.SERVICE_HANDLERS["s3"]("GET", f"/{path}", headers, b"", {})
    return status, body.decode("utf-8") if isinstance(body, bytes) else body


_TABLE_ACTIONS = ("GetItem", "UpdateItem", "Query", "BatchGetItem")
_SERVICES: Mapping[str, Service] = {
    **{f":dynamodb:action/{action}": _of_dynamodb(action) for action in _TABLE_ACTIONS},
    ":states:action/StartSyncExecution": start_sync_execution,
}
"""By how the URI of an integration ends."""


def _check_with_details(original: Callable[..., Any]) -> Callable[..., Any]:
    """The emulator says only that a body is invalid; API Gateway also keeps what is."""

    def check(method_obj: Mapping[str, Any], api_id: str, request: Any, headers: Any, body: bytes, query: Any) -> Any:
        error = original(method_obj, api_id, request, headers, body, query)
        if error is not None and error.response_type == "BAD_REQUEST_BODY":
            error.details = _details(method_obj, api_id, body)
        return error

    return check


def _details(method_obj: Mapping[str, Any], api_id: str, body: bytes) -> str:
    schema = apigateway_v1._model_schema(api_id, next(iter((method_obj.get("requestModels") or {}).values()), ""))
    try:
        found = islice(Draft4Validator(schema or {}).iter_errors(json.loads(body)), _MAX_DETAILS)
        return f"[{', '.join(sorted({error.message[:200] for error in found}))}]"
    except (ValueError, RecursionError, TypeError):
        return "[the body is no JSON]"


def _response_with_details(original: Callable[..., Answer]) -> Callable[..., Answer]:
    def respond(error: Any, request: Any) -> Answer:
        status, headers, body = original(error, request)
        details = json.dumps(getattr(error, "details", ""))[1:-1]
        return status, headers, body.replace(b"$context.error.validationErrorString", details.encode())

    return respond
