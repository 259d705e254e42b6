"""Everything that the local stack keeps, as text: every version of every object, every item, every message."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import pyarrow.parquet as pq

from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.local.stack.local_stack import LocalStack


@dataclass(frozen=True, slots=True)
class Kept:
    """place: key of the object, name of the table or of the queue. said: what is kept there, its name included."""

    place: str
    said: str


def everything_kept(stack: LocalStack) -> list[Kept]:
    """Messages are received and released again."""
    return [*_objects(stack), *_items(stack), *_messages(stack)]


def places_of(kept: list[Kept], text: str) -> set[str]:
    return {each.place for each in kept if text in each.said}


def unexplained(places: set[str], receipt: dict[str, Any], identifier: str) -> set[str]:
    """Places of which the receipt does not say that such an identifier stays there."""
    patterns = [pattern for each in receipt["stays"] if identifier in each["holds"] for pattern in each["places"]]
    return {place for place in places if not any(fnmatch(place, pattern) for pattern in patterns)}


def _objects(stack: LocalStack) -> Iterator[Kept]:
    s3, bucket = stack.client("s3"), stack.endpoints.bucket
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for each in page.get("DeleteMarkers", ()):
            yield Kept(each["Key"], each["Key"])
        for each in page.get("Versions", ()):
            key = each["Key"]
            body = s3.get_object(Bucket=bucket, Key=key, VersionId=each["VersionId"])["Body"].read()
            said = str(pq.read_table(io.BytesIO(body)).to_pylist()) if key.endswith(".parquet") else body.decode()
            yield Kept(key, f"{key} {said}")


def _items(stack: LocalStack) -> Iterator[Kept]:
    for table in stack.table_names:
        for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                yield Kept(table, str(item))


def _messages(stack: LocalStack) -> Iterator[Kept]:
    sqs = stack.client("sqs")
    for queue in QUEUES:
        url, held = sqs.get_queue_url(QueueName=queue)["QueueUrl"], []
        while messages := sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=60,
            MessageAttributeNames=["All"],
            AttributeNames=["All"],
        ).get("Messages", []):
            held += messages
        for each in held:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0)
            lasting = {name: each.get(name) for name in ("Body", "MessageAttributes")}
            yield Kept(queue, f"{lasting} {each['Attributes'].get('MessageGroupId', '')}")
