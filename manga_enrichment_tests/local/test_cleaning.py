"""A test that asks for a fresh state gets one, and nothing is ever emptied on AWS."""

import boto3
import pytest

from manga_enrichment.local.stack.cleaning import empty_bucket, empty_tables
from manga_enrichment.local.stack.endpoints import NotLoopbackError
from manga_enrichment.local.stack.local_stack import LocalStack


def test_emptying_removes_every_item_version_and_delete_marker(local_stack: LocalStack) -> None:
    s3, dynamodb, bucket = local_stack.client("s3"), local_stack.client("dynamodb"), local_stack.endpoints.bucket
    for _ in range(2):
        s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="a")
    for number in range(30):  # more than one batch
        dynamodb.put_item(TableName="manga-fm-results", Item={"fingerprint": {"S": str(number)}})

    empty_bucket(s3, bucket)
    empty_tables(dynamodb, local_stack.table_names)

    left = s3.list_object_versions(Bucket=bucket)
    assert not left.get("Versions", [])
    assert not left.get("DeleteMarkers", [])
    assert local_stack.table_names == [
        "manga-fm-budget",
        "manga-fm-outbox",
        "manga-fm-request-status",
        "manga-fm-results",
        "manga-fm-senders",
    ]
    assert not any(dynamodb.scan(TableName=table)["Items"] for table in local_stack.table_names)


def test_a_client_of_aws_is_refused_before_anything_is_deleted() -> None:
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="eu-west-1")
    with pytest.raises(NotLoopbackError):
        empty_bucket(session.client("s3", endpoint_url="https://s3.eu-west-1.amazonaws.com"), "a-bucket")
    with pytest.raises(NotLoopbackError):
        empty_tables(session.client("dynamodb", endpoint_url="https://dynamodb.eu-west-1.amazonaws.com"), ["t"])


def test_a_client_that_was_not_pointed_at_the_stack_goes_nowhere() -> None:
    assert boto3.client("s3").meta.endpoint_url == "http://127.0.0.1:9"
