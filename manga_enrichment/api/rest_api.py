"""The REST API of the request front as CloudFormation resources: paths, methods, models, answers of the gateway itself.

Belongs here: what a deployment is a snapshot of. Stays out: what methods and answers contain (`registry.py`,
`models.py`, `gateway_responses.py`), everything around the API (`cloudformation.py`, `stage.py`).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from manga_enrichment.api.endpoints import ENDPOINTS, Endpoint, Service
from manga_enrichment.api.gateway_responses import GATEWAY_ANSWERS
from manga_enrichment.api.models import ANY_OBJECT, model_name, request_models
from manga_enrichment.api.registry import CONTENT_TYPE, TemplateRegistry
from manga_enrichment.api.stage import Resources
from manga_enrichment.domain.operations.stages import named_in_template, staged_in_template

API_NAME = "manga-enrichment"
SUBMIT_ROLE = "SubmitRole"
STATUS_ROLE = "StatusRole"
CANCEL_ROLE = "CancelRole"
LIST_ROLE = "ListRole"
USAGE_ROLE = "UsageRole"
RESULTS_ROLE = "ResultsRole"
RESULTS_PREFIX = "fm-results/"
RESULTS_BUCKET = named_in_template("ResultsBucketName", "manga-fm-results-${AWS::AccountId}-${AWS::Region}")

_ACTIONS = {
    Service.STATES: ("states:action/StartSyncExecution", SUBMIT_ROLE),
    Service.DYNAMODB: ("dynamodb:action/GetItem", STATUS_ROLE),
    Service.UPDATE: ("dynamodb:action/UpdateItem", CANCEL_ROLE),
    Service.QUERY: ("dynamodb:action/Query", LIST_ROLE),
    Service.BATCH_GET: ("dynamodb:action/BatchGetItem", USAGE_ROLE),
    Service.S3: (f"s3:path/${{Bucket}}/{RESULTS_PREFIX}{{partner}}/{{document}}", RESULTS_ROLE),
}
"""By service what is called, and the role that may."""


def rest_api_resources(
    registry: TemplateRegistry, partners: Mapping[str, str], analyses: Collection[str] = ()
) -> Resources:
    """partners: by reference to the id of an API key, whose it is. analyses: as `request_models` takes them."""
    return _api() | _models(analyses) | _paths() | _methods(registry, partners) | _gateway_responses()


def _api() -> Resources:
    return {
        "RestApi": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {
                "Name": staged_in_template(API_NAME),
                "Description": "Requests of partners, to queues and back",
                "ApiKeySourceType": "HEADER",
                "EndpointConfiguration": {"Types": ["REGIONAL"]},
            },
        },
        "RequestValidator": {
            "Type": "AWS::ApiGateway::RequestValidator",
            "Properties": {
                "RestApiId": {"Ref": "RestApi"},
                "Name": "body-and-parameters",
                "ValidateRequestBody": True,
                "ValidateRequestParameters": True,
            },
        },
    }


def _models(analyses: Collection[str]) -> Resources:
    return {
        f"{name}Model": {
            "Type": "AWS::ApiGateway::Model",
            "Properties": {
                "RestApiId": {"Ref": "RestApi"},
                "Name": name,
                "ContentType": CONTENT_TYPE,
                "Schema": schema,
            },
        }
        for name, schema in request_models(analyses).items()
    }


def _paths() -> Resources:
    """One resource per part of a path, each after the one above it."""
    resources: Resources = {}
    for endpoint in ENDPOINTS.values():
        parts = endpoint.path.strip("/").split("/")
        for place, part in enumerate(parts):
            parent: Any = {"Ref": _path_id(parts[:place])} if place else {"Fn::GetAtt": ["RestApi", "RootResourceId"]}
            resources[_path_id(parts[: place + 1])] = {
                "Type": "AWS::ApiGateway::Resource",
                "Properties": {"RestApiId": {"Ref": "RestApi"}, "ParentId": parent, "PathPart": part},
            }
    return resources


def _path_id(parts: Sequence[str]) -> str:
    return "Path" + "".join(word.capitalize() for part in parts for word in re.findall("[a-zA-Z0-9]+", part))


def _methods(registry: TemplateRegistry, partners: Mapping[str, str]) -> Resources:
    return {f"{each.name.capitalize()}Method": _method(each, registry, partners) for each in ENDPOINTS.values()}


def _method(endpoint: Endpoint, registry: TemplateRegistry, partners: Mapping[str, str]) -> dict[str, Any]:
    action, may_call = _ACTIONS[endpoint.service]
    uri = f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:{action}"
    path = {f"method.request.path.{name}": True for name in endpoint.path_parameters}
    query = {f"method.request.querystring.{name}": False for name in endpoint.query_parameters}
    properties: dict[str, Any] = {
        "RestApiId": {"Ref": "RestApi"},
        "ResourceId": {"Ref": _path_id(endpoint.path.strip("/").split("/"))},
        "HttpMethod": endpoint.method,
        "OperationName": endpoint.name,
        "AuthorizationType": "NONE",  # the API key, which must belong to a usage plan of this stage
        "ApiKeyRequired": True,
        "RequestValidatorId": {"Ref": "RequestValidator"},
        "RequestParameters": path | query,
        "MethodResponses": [{"StatusCode": str(status)} for status in endpoint.statuses],
        "Integration": {
            **_substituted(registry.integration_config(endpoint.name, partners)),
            "Uri": {"Fn::Sub": [uri, {"Bucket": RESULTS_BUCKET}] if "${Bucket}" in uri else uri},
            "Credentials": {"Fn::GetAtt": [may_call, "Arn"]},
        },
    }
    if endpoint.schema is not None:
        name = ANY_OBJECT if endpoint.sent_as else model_name(endpoint.schema)
        properties["RequestModels"] = {CONTENT_TYPE: {"Ref": f"{name}Model"}}
    return {
        "Type": "AWS::ApiGateway::Method",
        "Properties": {name: value for name, value in properties.items() if value},
    }


def _substituted(value: Any) -> Any:
    """Texts with ${...} (ids of API keys) become Fn::Sub."""
    if isinstance(value, dict):
        return {name: _substituted(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_substituted(child) for child in value]
    return {"Fn::Sub": value} if isinstance(value, str) and "${" in value else value


def _gateway_responses() -> Resources:
    resources: Resources = {}
    for kind, answer in GATEWAY_ANSWERS.items():
        properties: dict[str, Any] = {
            "RestApiId": {"Ref": "RestApi"},
            "ResponseType": kind,
            "ResponseTemplates": {CONTENT_TYPE: answer.template()},
        }
        if answer.status is not None:
            properties["StatusCode"] = str(answer.status)
        if answer.headers():
            properties["ResponseParameters"] = answer.headers()
        logical_id = "Answer" + "".join(word.capitalize() for word in kind.split("_"))
        resources[logical_id] = {"Type": "AWS::ApiGateway::GatewayResponse", "Properties": properties}
    return resources
