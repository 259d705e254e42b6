"""Erasure on S3 and DynamoDB: list_object_versions, scans, batch deletions.

Belongs here: the batch limits of both, what they leave undone. Stays out: what is to be deleted
(`pipeline/forgetting/`).
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.aws.clients import BrokenAnswerError, raise_explained, store_unavailable
from manga_enrichment.aws.dynamodb import outbox, request_items
from manga_enrichment.aws.dynamodb.transactions import chunks, errors_explained
from manga_enrichment.domain.callbacks.deliveries import Delivery
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.gateways.erasure import ObjectVersion
from manga_enrichment.gateways.errors import StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_VERSIONS_PER_CALL = 1000
_ITEMS_PER_CALL = 25
_TRIES = 10
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404", "405"})


class AwsErasure:
    """Safe to share between threads."""

    def __init__(
        self,
        s3: "S3Client",
        dynamodb: "DynamoDBClient",
        *,
        bucket: str,
        status_table: str,
        outbox_table: str,
        ledger_table: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._s3: Any = s3
        self._dynamodb: Any = dynamodb
        self._bucket = bucket
        self._status_table = status_table
        self._outbox_table = outbox_table
        self._ledger_table = ledger_table
        self._sleep = sleep

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        pages = iter(self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix))
        while True:
            with self._s3_explained():
                page = next(pages, None)
            if page is None:
                return
            yield from sorted(_versions(page), key=lambda each: each.key)

    def read(self, version: ObjectVersion) -> bytes | None:
        if version.is_marker:
            return None
        try:
            with self._s3_explained():
                found = self._s3.get_object(Bucket=self._bucket, Key=version.key, VersionId=version.version_id)
                return bytes(found["Body"].read())
        except LookupError:
            return None

    def delete_versions(self, versions: Iterable[ObjectVersion]) -> None:
        for chunk in chunks([{"Key": each.key, "VersionId": each.version_id} for each in versions], _VERSIONS_PER_CALL):
            with self._s3_explained():
                answer = self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": chunk, "Quiet": True})
            if answer.get("Errors"):
                first = answer["Errors"][0]
                raise StoreUnavailableError(
                    f"S3 did not delete {len(answer['Errors'])} versions, the first {first.get('Key')}: "
                    f"{first.get('Code')} {first.get('Message', '')}"
                )

    def request_rows(self) -> Iterator[RequestRow]:
        items = self._scan(self._status_table, FilterExpression="attribute_exists(generation)")
        return map(request_items.from_item, items)

    def deliveries(self) -> Iterator[Delivery]:
        return map(outbox.from_item, self._scan(self._outbox_table))

    def delete_rows(self, request_ids: Iterable[str]) -> None:
        self._delete_items(self._status_table, "request_id", request_ids)

    def delete_deliveries(self, delivery_ids: Iterable[str]) -> None:
        self._delete_items(self._outbox_table, "delivery_id", delivery_ids)

    def delete_entries(self, fingerprints: Iterable[str]) -> None:
        for each in dict.fromkeys(fingerprints):
            self._delete_answer(each)

    def _delete_answer(self, fingerprint: str) -> None:
        """Nothing is done where a claim stands, or nothing."""
        with errors_explained():
            try:
                self._dynamodb.delete_item(
                    TableName=self._ledger_table,
                    Key={"fingerprint": {"S": fingerprint}},
                    ConditionExpression="attribute_exists(entry)",
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return

    def _scan(self, table: str, **request: Any) -> Iterator[dict[str, Any]]:
        while True:
            with errors_explained():
                page = self._dynamodb.scan(TableName=table, ConsistentRead=True, **request)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _delete_items(self, table: str, key: str, values: Iterable[str]) -> None:
        for chunk in chunks(list(dict.fromkeys(values)), _ITEMS_PER_CALL):
            waiting: Any = {table: [{"DeleteRequest": {"Key": {key: {"S": each}}}} for each in chunk]}
            for attempt in range(_TRIES):
                with errors_explained():
                    waiting = self._dynamodb.batch_write_item(RequestItems=waiting).get("UnprocessedItems")
                if not waiting:
                    break
                self._sleep(min(2.0, 0.05 * 2**attempt))
            else:
                raise StoreUnavailableError(f"DynamoDB kept leaving deletions in {table} undone")

    @contextmanager
    def _s3_explained(self) -> Iterator[None]:
        """SDK errors as a ConfigurationError, as StoreUnavailableError, or as LookupError when there is nothing."""
        try:
            yield
        except (ClientError, BotoCoreError, BrokenAnswerError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in _GONE:
                raise LookupError(str(error)) from error
            raise_explained(error, f"The S3 bucket {self._bucket}", "MANGA_BUCKET", store_unavailable(error))


def _versions(page: Any) -> Iterator[ObjectVersion]:
    for name, is_marker in (("Versions", False), ("DeleteMarkers", True)):
        for each in page.get(name, ()):
            yield ObjectVersion(each["Key"], each["VersionId"], bool(each["IsLatest"]), is_marker)
