"""Rights that are given are those of the calls that `aws/` makes: a call without its right fails here, not in a night.

Calls are read from the source: what is looked up on a boto3 client, and what paginators and transfers are asked for.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

import manga_enrichment.aws
from manga_enrichment.pipeline.changes.prune import TABLES as CHANGES
from manga_enrichment.pipeline.publish.compact import TABLES as COMPACTED
from manga_enrichment.pipeline.store.object_keys import (
    changes_prefix,
    pending_changes_prefix,
    request_body_key,
    table_key,
)
from manga_enrichment_tests.infra.templates import read_template

AWS = Path(manga_enrichment.aws.__file__).parent
POLICIES: dict[str, Any] = {
    name: resource["Properties"]["PolicyDocument"]["Statement"]
    for name, resource in read_template("rights.yaml")["Resources"].items()
}
SERVICES = ("bedrock", "cloudwatch", "dynamodb", "s3", "ses", "sns", "sqs")
SERVICE_OF = {
    "metrics.py": "cloudwatch",
    "service_usage.py": "cloudwatch",
    "sqs.py": "sqs",
    "outbound/notify.py": "sns",
    "outbound/mail.py": "ses",
    "s3/catalog_source.py": "s3",
    "s3/objects.py": "s3",
    "s3/table_files.py": "s3",
}
"""Whose client is `self._client`; those of dynamodb/ are DynamoDB's, others say it themselves."""
TRANSFERS = {"upload_fileobj": ["PutObject"], "download_file": ["GetObject"]}
RIGHTS_OF = {
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:DeleteObjects": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
    "dynamodb:TransactWriteItems": [f"dynamodb:{each}Item" for each in ("Put", "Update", "Delete", "ConditionCheck")],
    "sqs:ChangeMessageVisibilityBatch": ["sqs:ChangeMessageVisibility"],
    "sqs:DeleteMessageBatch": ["sqs:DeleteMessage"],
    "sns:PublishBatch": ["sns:Publish"],
    "bedrock:CreateModelInvocationJob": ["bedrock:CreateModelInvocationJob", "iam:PassRole"],
}
"""Where a call needs other rights than the one of its name."""
BY_HAND = {
    "bedrock:InvokeModel": "Converse over HTTP: bedrock/converse.py",
    "bedrock:ApplyGuardrail": "Converse with a guardrail",
    "s3:PutObjectTagging": "PutObject with tags: s3/objects.py",
    "s3:GetObjectVersion": "GetObject with a version: erasure.py",
    "kms:Decrypt": "S3 and DynamoDB, where a key is the customer's",
    "kms:GenerateDataKey": "S3 and DynamoDB, where a key is the customer's",
}
"""Rights that no call has the name of, and where they come from."""


@cache
def operations(service: str) -> dict[str, str]:
    """Method of a client -> operation."""
    model = botocore.session.Session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


def calls_in(path: Path) -> Iterator[tuple[str, str]]:
    """(service, operation) of what a module asks of boto3."""
    place = path.relative_to(AWS).as_posix()
    default = "dynamodb" if place.startswith("dynamodb/") else SERVICE_OF.get(place, "")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Attribute):
            continue
        receiver = ast.unparse(node.value).rsplit(".", 1)[-1].removeprefix("_")
        service = receiver if receiver in SERVICES else default if receiver == "client" else ""
        for operation in [operations(service).get(node.attr)] if service else ():
            if operation:
                yield service, operation
        for operation in TRANSFERS.get(node.attr, ()):
            yield "s3", operation
    for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "get_paginator":
            name = ast.literal_eval(call.args[0])
            (service,) = {each for each in SERVICES if name in operations(each) and each != "sts"} & _near(
                call, default
            )
            yield service, operations(service)[name]


def _near(call: ast.Call, default: str) -> set[str]:
    assert isinstance(call.func, ast.Attribute)
    receiver = ast.unparse(call.func.value).rsplit(".", 1)[-1].removeprefix("_")
    return {receiver if receiver in SERVICES else default}


def needed() -> dict[str, set[str]]:
    """Right -> modules that need it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(AWS.rglob("*.py")):
        for service, operation in calls_in(path):
            call = f"{service}:{operation}"
            for right in RIGHTS_OF.get(call, [call]):
                found[right].add(path.relative_to(AWS).as_posix())
    return found


def given(policy: str) -> set[str]:
    rights: set[str] = set()
    for statement in POLICIES[policy]:
        for each in (statement, *statement.get("!If", ())):
            action = each.get("Action", []) if isinstance(each, dict) else []
            rights |= {action} if isinstance(action, str) else set(action)
    return rights


def needed_of(*modules: str) -> set[str]:
    return {right for right, users in needed().items() if users & set(modules)}


def test_the_calls_are_found() -> None:
    found = needed()
    assert "sqs.py" in found["sqs:ReceiveMessage"]
    assert "sqs.py" in found["sqs:ChangeMessageVisibility"]
    assert "dynamodb/senders.py" in found["dynamodb:Query"]
    assert "dynamodb/transactions.py" in found["dynamodb:ConditionCheckItem"]
    assert "bedrock/batch.py" in found["s3:ListBucket"] & found["bedrock:ListModelInvocationJobs"]
    assert "service_usage.py" in found["cloudwatch:GetMetricData"]


def test_every_module_that_has_a_client_is_looked_at() -> None:
    for path in AWS.rglob("*.py"):
        source = path.read_text("utf-8")
        if re.search(r"self\._client\b", source):
            assert list(calls_in(path)) or "aws.dynamodb.transactions import" in source, path


def test_every_call_has_its_right() -> None:
    assert set(needed()) <= set().union(*map(given, POLICIES))


def test_no_right_is_given_that_no_call_needs() -> None:
    assert set().union(*map(given, POLICIES)) <= {*needed(), *BY_HAND}


def test_processes_may_what_they_do_and_nothing_of_what_people_do() -> None:
    of_people = needed_of("erasure.py") | {"ses:CreateTemplate", "ses:UpdateTemplate"}
    of_batches = {right for right in needed_of("bedrock/batch.py") if right.startswith(("bedrock:", "iam:"))}
    of_processes = {
        right for right, users in needed().items() if users - {"erasure.py"} and right not in of_people | of_batches
    }
    assert of_processes <= given("ProcessPolicy")
    assert of_batches == given("BatchPolicy")
    assert {"s3:ListBucketVersions", "s3:DeleteObjectVersion"} & given("ProcessPolicy") == set()
    assert needed()["dynamodb:Scan"] == {"dynamodb/ledger.py", "erasure.py"}
    assert needed_of("erasure.py") <= given("ForgettingPolicy") | given("ProcessPolicy")


SPEAK_OF = {
    "LedgerAndBudget": ["ledger", "budget", "transactions"],
    "Status": ["requests", "status", "residents", "pace", "policies", "usage"],
    "Outbox": ["outbox"],
    "Senders": ["senders"],
}
"""Statement -> modules of dynamodb/ that speak of its tables."""


def test_every_module_of_dynamodb_speaks_of_a_table_that_is_open_for_it() -> None:
    calling = {path.stem for path in (AWS / "dynamodb").glob("*.py") if list(calls_in(path))}
    assert calling == {module for modules in SPEAK_OF.values() for module in modules}


@pytest.mark.parametrize("sid", SPEAK_OF)
def test_a_table_is_open_for_what_its_gateways_do(sid: str) -> None:
    (statement,) = (each for each in POLICIES["ProcessPolicy"] if each.get("Sid") == sid)
    made = needed_of(*(f"dynamodb/{module}.py" for module in SPEAK_OF[sid]))
    assert set(statement["Action"]) >= made - {"dynamodb:Scan"}  # of the ledger alone: "LeftBehind"
    is_queried_by_index = "dynamodb:Query" in statement["Action"] and sid != "Senders"
    assert any("/index/*" in str(resource) for resource in statement["Resource"]) is is_queried_by_index


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_nothing_is_allowed_on_everything_but_where_aws_knows_no_other_way(policy: str) -> None:
    for statement in POLICIES[policy]:
        assert "*" not in str(statement.get("Action", "")), statement
        if statement.get("Resource") == "*":
            names = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert all(name.startswith(("cloudwatch:", "bedrock:", "ses:")) for name in names), statement


def test_only_the_ledger_is_read_whole() -> None:
    scans = [each for each in POLICIES["ProcessPolicy"] if "dynamodb:Scan" in str(each.get("Action"))]
    assert [(each["Sid"], each["Action"]) for each in scans] == [("LeftBehind", "dynamodb:Scan")]
    assert "ResultsTableName" in str(scans[0]["Resource"])
    assert "index" not in str(scans[0]["Resource"])


DELETED = [
    *(folder_of("2026-11-28") for folder_of, _ in COMPACTED.values()),
    *(prefix for name in CHANGES for prefix in (changes_prefix(name), pending_changes_prefix(name, "0"))),
]
"""Where processes delete: the compaction, and changes of tables that are told or old."""


def test_nobody_else_deletes_objects() -> None:
    package = AWS.parent
    deleting = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\b(?:objects|tables|store)\.delete\(", path.read_text("utf-8"))
    }
    assert deleting == {f"pipeline/{each}.py" for each in ("changes/prune", "changes/replace", "store/compaction")}


@pytest.mark.parametrize("prefix", DELETED)
def test_processes_may_delete_where_they_do(prefix: str) -> None:
    assert any(fnmatch(f"bucket/{prefix}x.parquet", pattern) for pattern in deletable())


@pytest.mark.parametrize("key", [table_key("catalog", "0"), request_body_key("r"), "fm-results/acme/r.json"])
def test_processes_may_delete_nothing_else(key: str) -> None:
    assert not any(fnmatch(f"bucket/{key}", pattern) for pattern in deletable())


def deletable() -> list[str]:
    (statement,) = (each for each in POLICIES["ProcessPolicy"] if "s3:DeleteObject" in str(each.get("Action")))
    arns = [each["!Sub"].replace("${ResultsBucketName}", "bucket") for each in statement["Resource"]]
    return [arn.rsplit(":::", 1)[1] for arn in arns]
