"""infra/storage.yaml keeps what it promises: linted, read as text, and deployed on the emulator."""

from typing import Any

import pytest

from manga_enrichment.domain.models.batch_jobs import MAX_TIMEOUT_HOURS
from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES, REQUEST_QUEUES
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT
from manga_enrichment_tests.infra.templates import INFRA, read_template

TEMPLATE = INFRA / "storage.yaml"
TABLES = ("ResultsTable", "RequestStatusTable", "BudgetTable", "SendersTable")


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return read_template("storage.yaml")


@pytest.fixture(scope="module")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"]
    return found


def test_nothing_that_was_paid_for_goes_with_the_stack(resources: dict[str, Any]) -> None:
    for name in ("ResultsBucket", *TABLES):
        assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate", name
        assert resources[name]["UpdateReplacePolicy"] == "Retain", name


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_on_demand_can_be_restored_and_forgets_by_expires_at(resources: dict[str, Any], table: str) -> None:
    properties = resources[table]["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_bucket_drops_run_files_old_versions_and_unfinished_uploads(template: dict[str, Any]) -> None:
    bucket = template["Resources"]["ResultsBucket"]["Properties"]
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["run-files"]["Prefix"] == "runs/"
    assert template["Parameters"]["RunFilesDays"]["Default"] == 14
    assert rules["batch-files"]["Prefix"] == "batch/"
    assert template["Parameters"]["BatchFilesDays"]["MinValue"] * 24 > MAX_TIMEOUT_HOURS
    assert rules["unfinished-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert "NoncurrentVersionExpiration" in rules["replaced-versions"]
    expired = {rule["Prefix"] for rule in rules.values() if "ExpirationInDays" in rule}
    assert expired == {"runs/", "batch/", "fm-requests/", "fm-conversations/", "fm-results/", "athena-results/"}
    assert not any(TABLES_ROOT.startswith(prefix.rstrip("/")) for prefix in expired)


def test_what_partners_sent_outlives_every_wait_in_a_queue(template: dict[str, Any]) -> None:
    longest_wait = max(q.retention_days for q in REQUEST_QUEUES) + max(q.retention_days for q in DEAD_LETTER_QUEUES)
    assert template["Parameters"]["RequestFilesDays"]["MinValue"] > longest_wait


def test_the_deployed_bucket_is_versioned_encrypted_private_and_tls_only(local_stack: LocalStack) -> None:
    s3, bucket = local_stack.client("s3"), local_stack.endpoints.bucket
    assert bucket == "manga-fm-results-123456789012-ap-northeast-1"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    assert '"Deny"' in policy
    assert '{"aws:SecureTransport": "false"}' in policy


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("manga-fm-results", "fingerprint"),
        ("manga-fm-request-status", "request_id"),
        ("manga-fm-budget", "counter"),
    ],
)
def test_the_deployed_tables_have_the_names_and_keys_the_code_uses(
    local_stack: LocalStack, table: str, key: str
) -> None:
    described = local_stack.client("dynamodb").describe_table(TableName=table)["Table"]
    assert described["KeySchema"] == [{"AttributeName": key, "KeyType": "HASH"}]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_requests_of_one_partner_are_found_in_order_and_nightly_rows_stay_out(
    local_stack: LocalStack, fresh_stack_state: None
) -> None:
    dynamodb = local_stack.client("dynamodb")
    rows = [
        {"request_id": "r2", "partner_id": "acme", "submitted_at": "2026-01-02T00:00:00Z"},
        {"request_id": "r1", "partner_id": "acme", "submitted_at": "2026-01-01T00:00:00Z"},
        {"request_id": "r3", "partner_id": "other", "submitted_at": "2026-01-01T00:00:00Z"},
        {"request_id": "nightly"},
    ]
    for row in rows:
        item = {name: {"S": value} for name, value in row.items()}
        dynamodb.put_item(TableName="manga-fm-request-status", Item=item)
    found = dynamodb.query(
        TableName="manga-fm-request-status",
        IndexName="by_partner",
        KeyConditionExpression="partner_id = :partner",
        ExpressionAttributeValues={":partner": {"S": "acme"}},
    )["Items"]
    assert [item["request_id"]["S"] for item in found] == ["r1", "r2"]
