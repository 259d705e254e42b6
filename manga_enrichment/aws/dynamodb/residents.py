"""ResidentTable on DynamoDB: rows beside those of requests and partitions, one per slot of a lane."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from manga_enrichment.aws.dynamodb.transactions import batch_get, errors_explained
from manga_enrichment.gateways.residents import Resident

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEPT = timedelta(days=7)
_MAY_WRITE = "attribute_not_exists(request_id) OR epoch < :epoch OR (epoch = :epoch AND run_id = :run)"


class DynamoDBResidents:
    def __init__(self, client: "DynamoDBClient", *, table: str) -> None:
        self._client = client
        self._table = table

    def put(self, resident: Resident) -> bool:
        epoch, run = {"N": str(resident.epoch)}, {"S": resident.run_id}
        item: dict[str, Any] = {
            "request_id": {"S": _row_id(resident.lane, resident.slot)},
            "lane": {"S": resident.lane},
            "slot": {"N": str(resident.slot)},
            "epoch": epoch,
            "run_id": run,
            "beat": {"N": str(resident.beat)},
            "beat_at": {"S": resident.beat_at.isoformat()},
            "ends_at": {"S": resident.ends_at.isoformat()},
            "is_busy": {"BOOL": resident.is_busy},
            "has_left": {"BOOL": resident.has_left},
            "expires_at": {"N": str(int((resident.beat_at + _KEPT).timestamp()))},
        }
        with errors_explained():
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression=_MAY_WRITE,
                    ExpressionAttributeValues={":epoch": epoch, ":run": run},
                )
            except ClientError as error:
                if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def residents(self, lane: str, slots: int) -> Sequence[Resident]:
        ids = [_row_id(lane, slot) for slot in range(slots)]
        return [_from_item(item) for item in batch_get(self._client, self._table, "request_id", ids)]


def _row_id(lane: str, slot: int) -> str:
    return f"resident:{lane}:{slot}"


def _from_item(item: Any) -> Resident:
    return Resident(
        lane=item["lane"]["S"],
        slot=int(item["slot"]["N"]),
        epoch=int(item["epoch"]["N"]),
        run_id=item["run_id"]["S"],
        beat=int(item["beat"]["N"]),
        beat_at=datetime.fromisoformat(item["beat_at"]["S"]),
        ends_at=datetime.fromisoformat(item["ends_at"]["S"]),
        is_busy=item["is_busy"]["BOOL"],
        has_left=item["has_left"]["BOOL"],
    )
