"""Empties the local stack's tables, bucket and queues, so that a test or a benchmark starts from nothing.

Belongs here: deletion of all data through the public APIs. Stays out: deletion of stacks or the state folder.
It takes clients of the emulator (`LocalStack.client`) and refuses any other: there is no way back.
"""

from collections.abc import Iterable
from typing import Any

from manga_enrichment.local.stack.endpoints import assert_loopback

_BATCH_WRITE_ITEMS = 25


def empty_tables(dynamodb: Any, table_names: Iterable[str]) -> None:
    """Delete every item of the tables. dynamodb is a boto3 client of the emulator."""
    _refuse_real_aws(dynamodb)
    for table in table_names:
        key_names = [key["AttributeName"] for key in dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]]
        for page in dynamodb.get_paginator("scan").paginate(TableName=table):
            deletes = [{"DeleteRequest": {"Key": {name: item[name] for name in key_names}}} for item in page["Items"]]
            for start in range(0, len(deletes), _BATCH_WRITE_ITEMS):
                dynamodb.batch_write_item(RequestItems={table: deletes[start : start + _BATCH_WRITE_ITEMS]})


def empty_bucket(s3: Any, bucket: str) -> None:
    """Delete every version of every object. s3 is a boto3 client of the emulator."""
    _refuse_real_aws(s3)
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions = [
            {"Key": entry["Key"], "VersionId": entry["VersionId"]}
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]
        if versions:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})


def empty_queues(sqs: Any, queue_names: Iterable[str]) -> None:
    """Delete every message, also one that was received and not deleted. sqs is a boto3 client of the emulator."""
    _refuse_real_aws(sqs)
    for name in queue_names:
        sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])


def _refuse_real_aws(client: Any) -> None:
    assert_loopback({"AWS_ENDPOINT_URL": client.meta.endpoint_url})
