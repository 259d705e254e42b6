"""RequestStore on DynamoDB: one row per request, every write on condition of what it was decided on.

A claim reads, decides (`decide_claim`) and writes if the row's `version`, which every write raises, is still the one it
read. Its `claim_token` tells a write of ours whose reply got lost from one of somebody else: the SDK's repetition of it
fails on its own condition. Updates are idempotent by themselves. `expires_at` only tells DynamoDB when a row may go.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields as fields_of
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from manga_enrichment.aws.dynamodb.pace import DynamoDBPace
from manga_enrichment.aws.dynamodb.policies import DynamoDBPolicies
from manga_enrichment.aws.dynamodb.request_items import attribute, from_item, to_item
from manga_enrichment.aws.dynamodb.transactions import chunks, errors_explained
from manga_enrichment.aws.dynamodb.usage import DynamoDBUsage
from manga_enrichment.domain.operations.retention import STATUS_DAYS
from manga_enrichment.domain.requests.claims import (
    UNCLAIMED_KEY,
    AlreadyFinal,
    AlreadyLive,
    Claimed,
    RequestRow,
    decide_claim,
    may_reopen,
)
from manga_enrichment.domain.requests.states import RequestState, is_final, moved, states_before
from manga_enrichment.domain.requests.usage import Usage, usage_by_month
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import FencedError, StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TRIES = 20
_INDEX = "by_partner"
_UNCLAIMED = "unclaimed"
_KEYS_PER_CALL = 100
_NOBODY = "none"  # no request has this id
_SETTABLE = {each.name for each in fields_of(RequestRow)} - {"request_id", "owner", "generation", "state", "reopened"}


class DynamoDBRequests:
    """retention: how long a row stays after its last write; longer than any message may wait in a queue."""

    def __init__(
        self,
        client: "DynamoDBClient",
        clock: Clock,
        *,
        table: str,
        retention: timedelta = timedelta(days=STATUS_DAYS),
        check_clock: Callable[[], None] = lambda: None,
    ) -> None:
        """check_clock: raises ConfigurationError while this machine's clock is too far off to judge leases."""
        self._client: Any = client
        self._clock = clock
        self._table = table
        self._retention = retention
        self._pace = DynamoDBPace(client, clock, table=table)
        self._usage = DynamoDBUsage(client, clock, table=table)
        self._policies = DynamoDBPolicies(client, table=table)
        self._check_clock = check_clock

    def check_ready(self) -> None:
        self._item(_NOBODY)
        self._check_clock()  # after the answer, which told the time

    def claim(
        self, wanted: RequestRow, now: datetime, *, likely_new: bool = False
    ) -> Claimed | AlreadyLive | AlreadyFinal:
        token = uuid4().hex
        for number in range(_TRIES):
            item = {} if likely_new and not number else self._item(wanted.request_id)
            self._check_clock()  # after an answer, which told the time
            present = from_item(item) if item else None
            if present is not None and item.get("claim_token", {}).get("S") == token:
                return Claimed(present)
            decision = decide_claim(present, wanted, now)
            if isinstance(decision, Claimed):
                if self._put(decision.row, item.get("version"), token):
                    return decision
            elif present == decision.row or self._refresh(decision.row, wanted, now):
                return decision
        raise StoreUnavailableError(f"the row of request {wanted.request_id} changed {_TRIES} times during one claim")

    def update(
        self, request_id: str, owner: str, generation: int, state: RequestState | None = None, **fields: Any
    ) -> RequestRow:
        new_owner = fields.pop("new_owner", owner)
        if fields.keys() - _SETTABLE:
            raise TypeError(f"update() sets no {', '.join(sorted(fields.keys() - _SETTABLE))}")
        changes = dict(attribute(name, value) for name, value in {"updated_at": self._clock.now(), **fields}.items())
        changes["owner"] = {"S": new_owner}
        if state is not None:
            changes["status"] = {"S": state.value}
        answer = self._update(request_id, changes, _fence(owner, new_owner, generation, state))
        if answer.get("Attributes"):
            return from_item(answer["Attributes"])
        present = from_item(answer["Item"]) if answer.get("Item") else None
        if present is None or present.owner not in (owner, new_owner) or present.generation != generation:
            raise FencedError(f"request {request_id} no longer belongs to {owner}, generation {generation}")
        moved(present.state, state or present.state)  # raises TransitionError, the only cause that is left
        raise StoreUnavailableError(f"the row of request {request_id} changed during an update; try again")

    def reopen(self, request_id: str) -> bool:
        for _ in range(_TRIES):
            row = self.get(request_id)
            if row is None or not may_reopen(row):
                return False
            changes = dict([attribute("reopened", value=True)])
            fence = _fence(row.owner, row.owner, row.generation, None)
            fence["#status = :status"] = {":status": {"S": row.state.value}}
            if "Attributes" in self._update(request_id, changes, fence):
                return True
        raise StoreUnavailableError(f"the row of request {request_id} changed {_TRIES} times while it was reopened")

    def cancel(self, request_id: str) -> RequestRow | None:
        wished = attribute("cancelled_ms", int(self._clock.now().timestamp() * 1000))
        is_open = _status_in(state for state in RequestState if not is_final(state))
        answer = self._update(request_id, dict([wished]), is_open)
        item = answer.get("Attributes") or answer.get("Item")
        return from_item(item) if item and "generation" in item else None

    def cancelled(self, request_ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for chunk in chunks(list(dict.fromkeys(request_ids)), _KEYS_PER_CALL):
            keys: Any = [{"request_id": {"S": each}} for each in chunk]
            asked = {"Keys": keys, "ConsistentRead": True, "ProjectionExpression": "request_id, cancelled_ms"}
            with errors_explained():
                response = self._client.batch_get_item(RequestItems={self._table: asked})
            items = response["Responses"].get(self._table, [])  # what was left unread shows at the next look
            found |= {item["request_id"]["S"] for item in items if item.get("cancelled_ms", {}).get("N", "0") != "0"}
        return found

    def set_callback_state(self, request_id: str, told: RequestState, callback_state: str) -> None:
        condition = {"#status = :told": {":told": {"S": told.value}}}
        self._update(request_id, dict([attribute("callback_state", callback_state)]), condition)

    def note_pace(self, queue: str, seconds: float) -> None:
        self._pace.note(queue, seconds)

    def policy_changes(self, partner_id: str) -> Mapping[str, Any]:
        return self._policies.changes(partner_id)

    def change_policy(self, partner_id: str, changes: Mapping[str, Any]) -> None:
        self._policies.change(partner_id, changes)

    def note_usage(self, rows: Sequence[RequestRow]) -> None:
        for (partner_id, month), usage in usage_by_month(rows).items():
            self._usage.note(partner_id, month, usage)

    def usage(self, partner_id: str, month: str) -> Usage:
        return self._usage.read(partner_id, month)

    def get(self, request_id: str) -> RequestRow | None:
        item = self._item(request_id)
        return from_item(item) if item else None

    def unclaimed(self, queue: str, *, before: datetime, most: int) -> list[RequestRow]:
        values = dict([("queue", {"S": queue}), attribute("accepted_at", before)])
        with errors_explained():
            response = self._client.query(
                TableName=self._table,
                IndexName=_UNCLAIMED,
                KeyConditionExpression=f"{UNCLAIMED_KEY} = :queue AND accepted_at < :accepted_at",
                ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
                Limit=most,
            )
        rows = (self.get(each["request_id"]["S"]) for each in response["Items"])
        return [row for row in rows if row is not None and row.state is RequestState.ACCEPTED]

    def by_partner(self, partner_id: str, *, newest: int) -> list[RequestRow]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": _INDEX,
            "KeyConditionExpression": "partner_id = :partner",
            "ExpressionAttributeValues": {":partner": {"S": partner_id}},
            "ScanIndexForward": False,
        }
        rows: list[RequestRow] = []
        while partner_id and len(rows) < newest:
            with errors_explained():
                response = self._client.query(**request, Limit=newest - len(rows))
            rows += map(from_item, response["Items"])
            if "LastEvaluatedKey" not in response:
                break
            request["ExclusiveStartKey"] = response["LastEvaluatedKey"]
        return rows

    def _refresh(self, live: RequestRow, wanted: RequestRow, now: datetime) -> bool:
        """Store the newer receipt handle; False when the request is no longer live."""
        try:
            row = self.update(
                live.request_id,
                live.owner,
                live.generation,
                queue=live.queue,
                message_id=live.message_id,
                receipt_handle=live.receipt_handle,
                updated_at=live.updated_at,
            )
        except FencedError:
            return False
        return isinstance(decide_claim(row, wanted, now), AlreadyLive)

    def _item(self, request_id: str) -> dict[str, Any]:
        with errors_explained():
            response = self._client.get_item(
                TableName=self._table, Key={"request_id": {"S": request_id}}, ConsistentRead=True
            )
        return dict(response.get("Item", {}))

    def _put(self, row: RequestRow, version: dict[str, Any] | None, token: str) -> bool:
        """Write a claim over the version that was read, or where nothing stood."""
        next_version = {"N": str(int(version["N"]) + 1 if version else 1)}
        item = {**to_item(row), "claim_token": {"S": token}, "version": next_version, "expires_at": self._expiry()}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(request_id)"}
        if version:
            condition = {
                "ConditionExpression": "version = :seen",
                "ExpressionAttributeValues": {":seen": version},
            }
        with errors_explained():
            try:
                self._client.put_item(TableName=self._table, Item=item, **condition)
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def _update(
        self, request_id: str, changes: dict[str, Any], conditions: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        """{"Attributes": the new item}, or {"Item": the one that did not meet the conditions}."""
        changes = {**changes, "expires_at": self._expiry()}
        condition = " AND ".join(conditions)
        names = {*changes, "version"} | {name for name in ("owner", "generation", "status") if f"#{name} " in condition}
        values = {name: value for each in conditions.values() for name, value in each.items()}
        settings = ", ".join(f"#{name} = :new_{name}" for name in changes)
        with errors_explained():
            try:
                return dict(
                    self._client.update_item(
                        TableName=self._table,
                        Key={"request_id": {"S": request_id}},
                        UpdateExpression=f"SET {settings} ADD #version :one",
                        ConditionExpression=condition,
                        ExpressionAttributeNames={f"#{name}": name for name in names},
                        ExpressionAttributeValues={
                            **values,
                            **{f":new_{name}": value for name, value in changes.items()},
                            ":one": {"N": "1"},
                        },
                        ReturnValues="ALL_NEW",
                        ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    )
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                return {"Item": error.response.get("Item")}

    def _expiry(self) -> dict[str, str]:
        return {"N": str(int((self._clock.now() + self._retention).timestamp()))}


def _fence(owner: str, new_owner: str, generation: int, state: RequestState | None) -> dict[str, dict[str, Any]]:
    """Conditions of an update and the values in them."""
    conditions: dict[str, dict[str, Any]] = {
        "#owner IN (:owner, :heir)": {":owner": {"S": owner}, ":heir": {"S": new_owner}},
        "#generation = :generation": {":generation": {"N": str(generation)}},
    }
    if state is not None:
        conditions |= _status_in(states_before(state))
    return conditions


def _status_in(states: Iterable[RequestState]) -> dict[str, dict[str, Any]]:
    before = {f":before_{each.value}": {"S": each.value} for each in states}
    return {f"#status IN ({', '.join(before)})": before}
