"""Roles as CloudFormation resources: what the request front may do.

Belongs here: how a role looks, those of the API's integrations. Stays out: what the workflow may do
(`workflow/stack.py`).
"""

from collections.abc import Mapping
from typing import Any

from manga_enrichment.api.rest_api import (
    CANCEL_ROLE,
    LIST_ROLE,
    RESULTS_BUCKET,
    RESULTS_PREFIX,
    RESULTS_ROLE,
    STATUS_ROLE,
    SUBMIT_ROLE,
    USAGE_ROLE,
)
from manga_enrichment.api.stage import BUDGET_TABLE, STATUS_TABLE, WORKFLOW_ARN, Resources

NOTHING = {"Ref": "AWS::NoValue"}


def api_roles() -> Resources:
    """One role per kind of integration, which may do that and no more."""
    status, budget = table_arn(STATUS_TABLE), table_arn(BUDGET_TABLE)
    index = table_arn(STATUS_TABLE, "/index/by_partner")
    with_key = {"Fn::If": ["HasKmsKey", kms_statement("kms:Decrypt"), NOTHING]}
    return {
        RESULTS_ROLE: role("apigateway", "results", [*_results(), with_key]),
        SUBMIT_ROLE: role("apigateway", "submit", [allow("states:StartSyncExecution", WORKFLOW_ARN)]),
        STATUS_ROLE: role("apigateway", "status", [allow("dynamodb:GetItem", status), with_key]),
        CANCEL_ROLE: role("apigateway", "cancel", [allow("dynamodb:UpdateItem", status), with_key]),
        LIST_ROLE: role("apigateway", "list", [allow("dynamodb:Query", index), with_key]),
        USAGE_ROLE: role("apigateway", "usage", [allow("dynamodb:BatchGetItem", [status, budget]), with_key]),
    }


def _results() -> list[dict[str, Any]]:
    """Without the right to list, S3 says of what is not there that it is forbidden, as it does of faults of ours."""
    bucket = {"Fn::Sub": ["arn:${AWS::Partition}:s3:::${Bucket}", {"Bucket": RESULTS_BUCKET}]}
    objects = {"Fn::Sub": [f"arn:${{AWS::Partition}}:s3:::${{Bucket}}/{RESULTS_PREFIX}*", {"Bucket": RESULTS_BUCKET}]}
    below = {"StringLike": {"s3:prefix": f"{RESULTS_PREFIX}*"}}
    return [allow("s3:GetObject", objects), {**allow("s3:ListBucket", bucket), "Condition": below}]


def table_arn(table: Mapping[str, Any], rest: str = "") -> dict[str, Any]:
    """table: its name."""
    return {
        "Fn::Sub": [
            "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Table}" + rest,
            {"Table": table},
        ]
    }


def allow(action: str | list[str], resource: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def kms_statement(action: str | list[str]) -> dict[str, Any]:
    return allow(action, {"Ref": "KmsKeyArn"})


def role(service: str, name: str, statements: list[Any]) -> dict[str, Any]:
    """A role that a service of AWS takes, in this account alone."""
    assume = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
        # The service serves every account: without this another account's API or workflow could be set to take it.
        "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
    }
    policy = {"Version": "2012-10-17", "Statement": statements}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [assume]},
            "Policies": [{"PolicyName": name, "PolicyDocument": policy}],
        },
    }
