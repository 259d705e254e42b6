"""The stage of the request front: variables, limits, access log, usage plan and keys, as CloudFormation resources.

Belongs here: what can change without a new snapshot of the API. Stays out: the API itself (`rest_api.py`).
"""

import json
from collections.abc import Mapping
from typing import Any

STAGE = "live"
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
            "Properties": {"LogGroupName": ACCESS_LOG_GROUP, "RetentionInDays": {"Ref": "AccessLogDays"}},
        }
    }


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
                    "queues_url": {"Fn::Sub": "https://sqs.${AWS::Region}.${AWS::URLSuffix}/${AWS::AccountId}/"},
                    "status_table": {"Ref": "StatusTableName"},
                },
                "MethodSettings": [_EVERY_METHOD],
                "AccessLogSetting": {"Fn::If": ["HasAccessLog", access_log, {"Ref": "AWS::NoValue"}]},
            },
        }
    }


def plan_resources(keys: Mapping[str, str]) -> Resources:
    """The usage plan, whose limits hold for each key by itself, and the keys. keys: name by logical id."""
    plan: dict[str, Any] = {
        "UsagePlan": {
            "Type": "AWS::ApiGateway::UsagePlan",
            "Properties": {
                "UsagePlanName": "manga-enrichment-partners",
                "ApiStages": [{"ApiId": {"Ref": "RestApi"}, "Stage": {"Ref": "Stage"}}],
                "Throttle": {
                    "RateLimit": {"Ref": "PartnerRequestsPerSecond"},
                    "BurstLimit": {"Ref": "PartnerBurst"},
                },
                "Quota": {"Limit": {"Ref": "PartnerRequestsPerDay"}, "Period": "DAY"},
            },
        }
    }
    for logical_id, name in keys.items():
        plan[logical_id] = {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Name": name, "Enabled": True}}
        plan[f"{logical_id}InPlan"] = {
            "Type": "AWS::ApiGateway::UsagePlanKey",
            "Properties": {
                "KeyId": {"Ref": logical_id},
                "KeyType": "API_KEY",
                "UsagePlanId": {"Ref": "UsagePlan"},
            },
        }
    return plan
