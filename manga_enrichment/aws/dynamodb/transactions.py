"""DynamoDB calls with many items: transactions whose single conditions may fail, and batch reads.

A transaction is all or nothing, so one title that is already answered cancels the other 89. `transact` tells condition
failures (an answer for the caller) from conflicts with a concurrent transaction (try again). Every write that is not
idempotent by itself goes through it: the SDK gives a transaction a token, so its retry after a lost reply counts once.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.aws.clients import raise_explained, store_unavailable
from manga_enrichment.gateways.errors import StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_T = TypeVar("_T")

MAX_ITEMS = 90  # of DynamoDB's 100 per transaction; leaves room for counters
MAX_READ_KEYS = 100
_TRIES = 12


def transact(
    client: "DynamoDBClient", actions: Sequence[Any], *, sleep: Callable[[float], None] = time.sleep
) -> list[dict[str, Any]] | None:
    """Run one transaction. None when it went through, else the cancellation reasons, one per action.

    Tries conflicts again after jittered pauses. Raises StoreUnavailableError when DynamoDB does not answer.
    """
    for attempt in range(_TRIES):
        try:
            with errors_explained():
                client.transact_write_items(TransactItems=list(actions))
        except client.exceptions.TransactionCanceledException as error:
            reasons = [dict(reason) for reason in error.response.get("CancellationReasons", [])]
            if any(condition_failed(reason) for reason in reasons):
                return reasons
            sleep(_pause_seconds(attempt))
        else:
            return None
    raise StoreUnavailableError(f"DynamoDB kept cancelling a transaction of {len(actions)} items")


def condition_failed(reason: dict[str, Any]) -> bool:
    return reason.get("Code") == "ConditionalCheckFailed"


def batch_get(
    client: "DynamoDBClient",
    table: str,
    key_name: str,
    keys: Sequence[str],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """Items with these (unique) keys, in no particular order, read consistently; what is missing is left out."""
    for chunk in chunks(keys, MAX_READ_KEYS):
        wanted: Any = {table: {"Keys": [{key_name: {"S": key}} for key in chunk], "ConsistentRead": True}}
        for attempt in range(_TRIES):
            with errors_explained():
                response: Any = client.batch_get_item(RequestItems=wanted)
            items = response["Responses"].get(table, [])
            yield from items
            wanted = response.get("UnprocessedKeys")
            if not wanted:
                break
            if not items:  # throttled; with items it is only the 16 MB limit of a reply
                sleep(_pause_seconds(attempt))
        else:
            raise StoreUnavailableError(f"DynamoDB left keys of a batch read unprocessed {_TRIES} times")


@contextmanager
def errors_explained() -> Iterator[None]:
    """SDK errors become a ConfigurationError that says what to mend, or StoreUnavailableError: try again later.

    An unreachable endpoint is the latter: in the middle of a run it may come back, and what was paid for is waiting.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] == "TransactionCanceledException":
            raise
        tables = ("LEDGER", "STATUS", "BUDGET", "SENDERS", "OUTBOX")
        settings = ", ".join(f"MANGA_{table}_TABLE" for table in tables)
        raise_explained(error, "The DynamoDB table", settings, store_unavailable(error))


def chunks(items: Sequence[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    return iter(partial(_take, iterator, size), [])


def _take(iterator: Iterator[_T], size: int) -> list[_T]:
    return list(islice(iterator, size))


def _pause_seconds(attempt: int) -> float:
    return random.uniform(0, min(1.0, 0.01 * 2**attempt))  # noqa: S311
