"""RequestStore on DynamoDB: one row per request, every write on condition of what it was decided on.

Attributes are named for the partners who read them: `status`, `cost_usd`, `counts`. Ours for fencing stand beside them
(`generation`, `owner`, `lease_until`). `expires_at` (epoch seconds) only tells DynamoDB when a row may go.

A claim reads, decides (`decide_claim`) and writes if the row is still the one it read. Its `claim_token` tells a write
of ours whose reply got lost from one of somebody else: the SDK's repetition of it fails on its own condition.
"""

from collections.abc import Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from manga_enrichment.aws.request_items import ATTRIBUTES, attribute, from_item, to_item
from manga_enrichment.aws.transactions import errors_explained
from manga_enrichment.domain.status import RequestState, moved, states_before
from manga_enrichment.gateways import Clock, LedgerUnavailableError
from manga_enrichment.request_gateways import (
    AlreadyFinal,
    AlreadyLive,
    Claimed,
    FencedError,
    RequestRow,
    decide_claim,
    may_reopen,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TRIES = 20
_FIXED = frozenset({"request_id", "generation", "state", "owner", "reopened"})
_SETTABLE = frozenset(each.name for each in fields_of(RequestRow)) - _FIXED
_INDEX = "by_partner"


class DynamoDBRequests:
    """retention: how long a row stays after its last write. Nothing depends on it: an expired row is as good as any."""

    def __init__(
        self, client: "DynamoDBClient", clock: Clock, *, table: str, retention: timedelta = timedelta(days=400)
    ) -> None:
        self._client: Any = client
        self._clock = clock
        self._table = table
        self._retention = retention

    def claim(self, wanted: RequestRow, now: Any) -> Claimed | AlreadyLive | AlreadyFinal:
        token = uuid4().hex
        for _ in range(_TRIES):
            item = self._item(wanted.request_id)
            if item.get("claim_token", {}).get("S") == token:
                return Claimed(from_item(item))
            present = from_item(item) if item else None
            decision = decide_claim(present, wanted, now)
            if present == decision.row or self._put(decision.row, item, token):
                return decision
        raise LedgerUnavailableError(f"the row of request {wanted.request_id} changed {_TRIES} times during one claim")

    def update(
        self, request_id: str, owner: str, generation: int, state: RequestState | None = None, **fields: Any
    ) -> RequestRow:
        changes = self._changes(owner, fields)
        conditions = ["#owner IN (:owner, :new_owner)", "#generation = :generation"]
        names = {"#owner": "owner", "#generation": "generation", **{f"#{name}": name for name in changes}}
        values = {
            ":owner": {"S": owner},
            ":generation": {"N": str(generation)},
            **{f":new_{name}": value for name, value in changes.items()},
        }
        if state is not None:
            before = {f":before_{each}": {"S": each.value} for each in states_before(state)}
            conditions.append(f"#status IN ({', '.join(before)})")
            changes["status"] = {"S": state.value}
            names["#status"] = "status"
            values |= {":new_status": changes["status"], **before}
        try:
            with errors_explained():
                response = self._client.update_item(
                    TableName=self._table,
                    Key={"request_id": {"S": request_id}},
                    UpdateExpression="SET " + ", ".join(f"#{name} = :new_{name}" for name in changes),
                    ConditionExpression=" AND ".join(conditions),
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except LedgerUnavailableError as error:
            refused = _condition_failure(error)
            if refused is None:
                raise
            raise _refusal(refused, request_id, owner, generation, state) from None
        return from_item(response["Attributes"])
