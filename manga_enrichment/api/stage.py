"""The stage of the request front: variables, limits, access log, usage plans and keys, as CloudFormation resources.

Belongs here: what can change without a new snapshot of the API. Stays out: the API itself (`rest_api.py`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from manga_enrichment.api.partners import Partner
from manga_enrichment.domain.operations.stages import named_in_template, staged_in_template

STAGE = "live"
STATUS_TABLE = named_in_template("StatusTableName", "manga-fm-request-status")
BUDGET_TABLE = named_in_template("BudgetTableName", "manga-fm-budget")
DEFAULT_WORKFLOW_NAME = "manga-fm-requests"
WORKFLOW_ARN = staged_in_template(
    "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${Prefix}${WorkflowName}"
)
"""What POSTs run; it has a stack of its own."""
ACCESS_LOG_GROUP = "/aws/apigateway/manga-enrichment"
# No body, no key, no path with an id in it, and nothing that a client can write lines with (user agent, query).
ACCESS_LOG_FIELDS = {
    "request_id": "$context.requestId",
    "api_key_id": "$context.identity.apiKeyId",
    "source_ip": "$context.identity.sourceIp",
    "request_time": "$context.requestTimeEpoch",
    "method": "$context.httpMethod",
    "resource_path": "$context.resourcePath",
    "status": "$context.status",
    "error_type": "$context.error.responseType",
    "integration_status": "$context.integration.status",
    "integration_latency_milliseconds": "$context.integration.latency",
    "latency_milliseconds": "$context.responseLatency",
    "response_bytes": "$context.responseLength",
}

_EVERY_METHOD = {
    "ResourcePath": "/*",
    "HttpMethod": "*",
    "MetricsEnabled": True,
    "LoggingLevel": "OFF",  # execution logs would hold headers
    "DataTraceEnabled": False,
    "ThrottlingRateLimit": {"Ref": "ApiRequestsPerSecond"},
    "ThrottlingBurstLimit": {"Ref": "ApiBurst"},
}

Resources = dict[str, dict[str, Any]]


def log_group() -> Resources:
    return {
        "AccessLogGroup": {
            "Type": "AWS::Logs::LogGroup",
            "Condition": "HasAccessLog",
            "DeletionPolicy": "RetainExceptOnCreate",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"LogGroupName": _log_group_name(), "RetentionInDays": {"Ref": "AccessLogDays"}},
        }
    }


def _log_group_name() -> dict[str, Any]:
    folder, _, name = ACCESS_LOG_GROUP.rpartition("/")
    return staged_in_template(f"{folder}/${{Prefix}}{name}")


def stage_resource(deployment: str) -> Resources:
    """deployment: logical id of the snapshot that the stage shows."""
    access_log = {
        "DestinationArn": {"Fn::GetAtt": ["AccessLogGroup", "Arn"]},
        "Format": json.dumps(ACCESS_LOG_FIELDS),
    }
    return {
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {
                "RestApiId": {"Ref": "RestApi"},
                "DeploymentId": {"Ref": deployment},
                "StageName": STAGE,
                "Variables": {
                    "workflow": WORKFLOW_ARN,
                    "status_table": STATUS_TABLE,
                    "budget_table": BUDGET_TABLE,
                },
                "MethodSettings": [_EVERY_METHOD],
                "AccessLogSetting": {"Fn::If": ["HasAccessLog", access_log, {"Ref": "AWS::NoValue"}]},
            },
        }
    }


def plan_resources(partners: Sequence[Partner]) -> Resources:
    """A usage plan per partner, whose limits hold for each of its keys by itself, and the keys.

    One more plan is for keys that are made by hand. A partner's plan is its own from the start: a key cannot be in two
    plans of one stage, so it could not move to another while both are there.
    """
    resources = {"UsagePlan": _plan("manga-enrichment-partners", {})}
    for partner in partners:
        resources[partner.plan] = _plan(f"manga-enrichment-{partner.partner_id}", partner.limits)
        for logical_id, name in partner.keys.items():
            resources[logical_id] = {
                "Type": "AWS::ApiGateway::ApiKey",
                "Properties": {"Name": staged_in_template(name), "Enabled": True},
            }
            resources[f"{logical_id}InPlan"] = {
                "Type": "AWS::ApiGateway::UsagePlanKey",
                "Properties": {
                    "KeyId": {"Ref": logical_id},
                    "KeyType": "API_KEY",
                    "UsagePlanId": {"Ref": partner.plan},
                },
            }
    return resources


def _plan(name: str, limits: Mapping[str, float]) -> dict[str, Any]:
    """limits: those of the plan's own; the template's parameters say the others."""

    def limit(kind: str, parameter: str) -> Any:
        return limits.get(kind, {"Ref": parameter})

    return {
        "Type": "AWS::ApiGateway::UsagePlan",
        "Properties": {
            "UsagePlanName": staged_in_template(name),
            "ApiStages": [{"ApiId": {"Ref": "RestApi"}, "Stage": {"Ref": "Stage"}}],
            "Throttle": {
                "RateLimit": limit("requests_per_second", "PartnerRequestsPerSecond"),
                "BurstLimit": limit("burst", "PartnerBurst"),
            },
            "Quota": {"Limit": limit("requests_per_day", "PartnerRequestsPerDay"), "Period": "DAY"},
        },
    }
