"""StatusStore on DynamoDB: one row per partition of an analysis, one for its canary."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from manga_enrichment.aws.dynamodb.transactions import batch_get, errors_explained
from manga_enrichment.domain.trials.canary import Canary, CanaryState
from manga_enrichment.gateways.status import PartitionStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBStatus:
    def __init__(self, client: "DynamoDBClient", *, table: str) -> None:
        self._client = client
        self._table = table

    def put_partition(self, status: PartitionStatus) -> None:
        item: dict[str, Any] = {
            "request_id": {"S": _partition_id(status.analysis, status.bucket)},
            "analysis": {"S": status.analysis},
            "bucket": {"S": status.bucket},
            "status": {"S": status.status},
            "run_id": {"S": status.run_id},
            "trigger": {"S": status.trigger},
            "updated_at": {"S": status.updated_at.isoformat()},
            "counts": {"S": orjson.dumps(dict(status.counts)).decode()},
            "cost_micro_usd": {"N": str(status.cost_micro_usd)},
            "error_class": {"S": status.error_class},
        }
        with errors_explained():
            self._client.put_item(TableName=self._table, Item=item)

    def partitions(self, analysis: str, buckets: Sequence[str]) -> Iterator[PartitionStatus]:
        """Those that exist, in the order asked for."""
        ids = list(dict.fromkeys(_partition_id(analysis, bucket) for bucket in buckets))
        found = {item["request_id"]["S"]: item for item in batch_get(self._client, self._table, "request_id", ids)}
        return (_from_item(found[each]) for each in ids if each in found)

    def canary(self, analysis: str) -> Canary | None:
        with errors_explained():
            key = {"request_id": {"S": _canary_id(analysis)}}
            item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return None if item is None else _canary_from(orjson.loads(item["canary"]["S"]))

    def put_canary(self, canary: Canary) -> None:
        with errors_explained():
            self._client.put_item(TableName=self._table, Item=_canary_item(canary))

    def judge_canary(self, canary: Canary) -> bool:
        with errors_explained():
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_canary_item(canary),
                    ConditionExpression="started_at = :started_at",
                    ExpressionAttributeValues={":started_at": {"S": canary.started_at.isoformat()}},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True


def _canary_id(analysis: str) -> str:
    """No request has such an id."""
    return f"canary:{analysis}"


def _canary_item(canary: Canary) -> dict[str, Any]:
    return {
        "request_id": {"S": _canary_id(canary.analysis)},
        "started_at": {"S": canary.started_at.isoformat()},
        "canary": {"S": orjson.dumps(asdict(canary)).decode()},
    }


def _canary_from(document: dict[str, Any]) -> Canary:
    moment, state = datetime.fromisoformat(document["started_at"]), CanaryState(document["state"])
    may_drift = tuple(document["may_drift"])
    return Canary(**{**document, "started_at": moment, "state": state, "may_drift": may_drift})


def _partition_id(analysis: str, bucket: str) -> str:
    return f"partition:{analysis}:{bucket}"


def _from_item(item: Any) -> PartitionStatus:
    return PartitionStatus(
        analysis=item["analysis"]["S"],
        bucket=item["bucket"]["S"],
        status=item["status"]["S"],
        run_id=item["run_id"]["S"],
        trigger=item["trigger"]["S"],
        updated_at=datetime.fromisoformat(item["updated_at"]["S"]),
        counts=orjson.loads(item["counts"]["S"]),
        cost_micro_usd=int(item["cost_micro_usd"]["N"]),
        error_class=item["error_class"]["S"],
    )
