"""RequestQueue on SQS: receive, extend, delete in batches; send; depth.

Belongs here: SQS's limits of ten, partial failures of batches, which errors mean a lost lease. Stays out: which queues
there are (`domain/requests/queues.py`) and what is done with messages (`pipeline/`).

A handle is lost when SQS says so by one of three codes: the message is gone, visible again, or held by a later
receive; or its 12 hours are over. Everything else that fails in a batch is tried again, then reported as unavailable.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.aws.clients import raise_explained
from manga_enrichment.aws.dynamodb.transactions import chunks
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.stages import staged, unstaged
from manga_enrichment.domain.requests.queues import check_sendable
from manga_enrichment.gateways.errors import QueueUnavailableError
from manga_enrichment.gateways.queue import Message, QueueDepth

_PER_CALL = 10
_MAX_WAIT_SECONDS = 20
_BATCH_TRIES = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LOST_LEASE_CODES = frozenset({"InvalidParameterValue", "ReceiptHandleIsInvalid", "MessageNotInflight"})
_MISSING_QUEUE_CODES = frozenset({"NonExistentQueue", "QueueDoesNotExist"})
_DEPTHS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class SqsQueues:
    """client: a boto3 SQS client. stage: before all queues' names. Queue URLs are looked up once."""

    def __init__(self, client: Any, *, stage: str = "", sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._stage = stage
        self._sleep = sleep
        self._urls: dict[str, str] = {}

    def receive(
        self, queue: str, *, max_messages: int, wait_seconds: int, visibility_seconds: int | None = None
    ) -> list[Message]:
        request: dict[str, Any] = {
            "QueueUrl": self._url(queue),
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        if visibility_seconds is not None:
            request["VisibilityTimeout"] = visibility_seconds
        received: list[Message] = []
        while len(received) < max_messages:
            request["MaxNumberOfMessages"] = min(_PER_CALL, max_messages - len(received))
            request["WaitTimeSeconds"] = 0 if received else min(wait_seconds, _MAX_WAIT_SECONDS)
            if queue.endswith(".fifo"):  # the SDK's repetition after a lost answer gets the same messages then
                request["ReceiveRequestAttemptId"] = uuid4().hex
            with _errors_explained(queue):
                batch = self._client.receive_message(**request).get("Messages", [])
            received += (_message(queue, each, self._stage) for each in batch)
            if not batch or visibility_seconds == 0:  # nothing is hidden then: it would come again and again
                break
        return received

    def extend(self, queue: str, receipt_handles: Sequence[str], seconds: int) -> set[str]:
        def entry(receipt_handle: str) -> dict[str, Any]:
            return {"ReceiptHandle": receipt_handle, "VisibilityTimeout": seconds}

        return self._lost(queue, receipt_handles, self._client.change_message_visibility_batch, entry)

    def delete(self, queue: str, receipt_handles: Sequence[str]) -> set[str]:
        def entry(receipt_handle: str) -> dict[str, Any]:
            return {"ReceiptHandle": receipt_handle}

        return self._lost(queue, receipt_handles, self._client.delete_message_batch, entry)

    def send(
        self,
        queue: str,
        body: str,
        *,
        attributes: Mapping[str, str] | None = None,
        group_id: str = "",
        deduplication_id: str = "",
        delay_seconds: int = 0,
    ) -> str:
        filled = {name: value for name, value in (attributes or {}).items() if value}
        check_sendable(queue, body, filled, group_id, deduplication_id, delay_seconds)
        request: dict[str, Any] = {"QueueUrl": self._url(queue), "MessageBody": body}
        if filled:
            request["MessageAttributes"] = {
                name: {"DataType": "String", "StringValue": value} for name, value in filled.items()
            }
        if group_id:
            request["MessageGroupId"] = group_id
        if queue.endswith(".fifo"):
            request["MessageDeduplicationId"] = deduplication_id
        else:
            request["DelaySeconds"] = delay_seconds
        with _errors_explained(queue):
            return str(self._client.send_message(**request)["MessageId"])

    def depth(self, queue: str) -> QueueDepth:
        with _errors_explained(queue):
            response = self._client.get_queue_attributes(QueueUrl=self._url(queue), AttributeNames=list(_DEPTHS))
        visible, in_flight, delayed = (int(response["Attributes"][name]) for name in _DEPTHS)
        return QueueDepth(visible, in_flight, delayed)

    def _url(self, queue: str) -> str:
        if queue not in self._urls:
            with _errors_explained(queue):
                self._urls[queue] = self._client.get_queue_url(QueueName=staged(self._stage, queue))["QueueUrl"]
        return self._urls[queue]

    def _lost(
        self,
        queue: str,
        receipt_handles: Sequence[str],
        call: Callable[..., Any],
        entry: Callable[[str], dict[str, Any]],
    ) -> set[str]:
        """Run a batch call over all handles; those that SQS no longer knows."""
        url, lost = self._url(queue), set[str]()
        for chunk in chunks(list(dict.fromkeys(receipt_handles)), _PER_CALL):
            lost |= self._lost_of_ten(queue, url, chunk, call, entry)
        return lost

    def _lost_of_ten(
        self, queue: str, url: str, handles: list[str], call: Callable[..., Any], entry: Callable[[str], dict[str, Any]]
    ) -> set[str]:
        lost, waiting, codes = set[str](), handles, set[str]()
        for attempt in range(_BATCH_TRIES):
            entries = [{"Id": str(number), **entry(handle)} for number, handle in enumerate(waiting)]
            with _errors_explained(queue):
                failed = call(QueueUrl=url, Entries=entries).get("Failed", [])
            lost |= {waiting[int(each["Id"])] for each in failed if _code(each["Code"]) in LOST_LEASE_CODES}
            again = [each for each in failed if _code(each["Code"]) not in LOST_LEASE_CODES]
            if not again:
                return lost
            waiting, codes = [waiting[int(each["Id"])] for each in again], {each["Code"] for each in again}
            self._sleep(0.1 * 2**attempt)
        raise QueueUnavailableError(f"SQS kept refusing {len(waiting)} messages of {queue}: {', '.join(sorted(codes))}")


@contextmanager
def _errors_explained(queue: str) -> Iterator[None]:
    """SDK errors become a ConfigurationError that says what to mend, or QueueUnavailableError: try again later."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and _code(error.response["Error"]["Code"]) in _MISSING_QUEUE_CODES:
            raise ConfigurationError(
                f"Queue {queue} does not exist: deploy infra/queues.yaml or correct AWS_DEFAULT_REGION"
            ) from None
        raise_explained(error, f"Queue {queue}", "AWS_DEFAULT_REGION", QueueUnavailableError)


def _code(code: str) -> str:
    """Without the prefix that SQS puts before some codes for the sake of old clients."""
    return code.rsplit(".", 1)[-1]


def _message(queue: str, raw: Mapping[str, Any], stage: str) -> Message:
    system = raw.get("Attributes", {})
    attributes = raw.get("MessageAttributes", {})
    return Message(
        queue=queue,
        message_id=raw["MessageId"],
        receipt_handle=raw["ReceiptHandle"],
        body=raw["Body"],
        receive_count=int(system["ApproximateReceiveCount"]),
        sent_at=_moment(system["SentTimestamp"]),
        group_id=system.get("MessageGroupId", ""),
        attributes={name: each["StringValue"] for name, each in attributes.items() if "StringValue" in each},
        deduplication_id=system.get("MessageDeduplicationId", ""),
        source_queue=unstaged(stage, system.get("DeadLetterQueueSourceArn", "").rsplit(":", 1)[-1]),
        first_received_at=_moment(first) if (first := system.get("ApproximateFirstReceiveTimestamp")) else None,
    )


def _moment(milliseconds: str) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(milliseconds))
