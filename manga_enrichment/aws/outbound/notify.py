"""Notifier on SNS.

Belongs here: publishing and what SNS takes. Stays out: which topics a partner may name
(`domain/requests/validation.py`), when somebody is told and how often it is tried (`pipeline/`).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.aws.clients import raise_explained
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import NotifierUnavailableError
from manga_enrichment.gateways.notify import Notification

_MAX_SUBJECT_CHARACTERS = 100
_MAX_MESSAGE_BYTES = 255 * 1024  # of SNS's 256 KiB, for all messages of a batch together; attributes count too
_BYTES_BESIDE_MESSAGE = 200
_MOST_TOGETHER = 10
_NOT_IN_SUBJECTS = re.compile(r"[^\x20-\x7e]+")
# NotFound: no such topic. InvalidParameter: no topic's ARN, or one of another region.
_WRONG_TOPIC_CODES = frozenset({"NotFound", "InvalidParameter"})
_DENIED_CODES = frozenset({"AuthorizationError", "KMSAccessDenied", "KMSDisabled"})


class SnsNotifier:
    """client: a boto3 SNS client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def publish(self, topic_arn: str, subject: str, message: str, *, deduplication_id: str = "") -> None:
        """Subjects are cut to what SNS takes: 100 characters of ASCII. Raises ValueError for a message over 255 KiB."""
        if len(message.encode()) > _MAX_MESSAGE_BYTES:
            raise ValueError(f"a notification must not have more than {_MAX_MESSAGE_BYTES} bytes")
        with _errors_explained(topic_arn):
            self._client.publish(
                TopicArn=topic_arn, **_entry(topic_arn, Notification(subject, message, deduplication_id))
            )

    def publish_all(self, topic_arn: str, notifications: Sequence[Notification]) -> list[str]:
        """Each batch is billed as one message for every 64 KB."""
        problems: list[str] = []
        for batch in _by_size(notifications):
            try:
                with _errors_explained(topic_arn):
                    problems += self._publish_batch(topic_arn, batch)
            except (NotifierUnavailableError, ConfigurationError) as error:
                problems += [str(error) or type(error).__name__] * len(batch)
        return problems

    def _publish_batch(self, topic_arn: str, batch: Sequence[Notification]) -> list[str]:
        entries = [{"Id": str(number), **_entry(topic_arn, each)} for number, each in enumerate(batch)]
        answer = self._client.publish_batch(TopicArn=topic_arn, PublishBatchRequestEntries=entries)
        failed = {each["Id"]: f"{each['Code']}: {each.get('Message', '')}" for each in answer.get("Failed", ())}
        return [failed.get(entry["Id"], "") for entry in entries]


def _entry(topic_arn: str, notification: Notification) -> dict[str, Any]:
    event_id = notification.deduplication_id
    entry: dict[str, Any] = {"Message": notification.message}
    readable = _NOT_IN_SUBJECTS.sub(" ", notification.subject).strip()[:_MAX_SUBJECT_CHARACTERS]
    if readable:
        entry["Subject"] = readable
    if event_id:
        entry["MessageAttributes"] = {"event_id": {"DataType": "String", "StringValue": event_id}}
    if topic_arn.endswith(".fifo"):
        entry |= {"MessageGroupId": "notifications", "MessageDeduplicationId": event_id}
    return entry


def _by_size(notifications: Sequence[Notification]) -> Iterator[list[Notification]]:
    """Batches that SNS takes; what is too long alone it refuses by itself."""
    batch: list[Notification] = []
    left = 0
    for each in notifications:
        size = len(each.message.encode()) + _BYTES_BESIDE_MESSAGE
        if batch and (len(batch) == _MOST_TOGETHER or size > left):
            yield batch
            batch = []
        left = (left if batch else _MAX_MESSAGE_BYTES) - size
        batch.append(each)
    if batch:
        yield batch


@contextmanager
def _errors_explained(topic_arn: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code in _WRONG_TOPIC_CODES:
            raise ConfigurationError(
                f"SNS topic {topic_arn} cannot be used ({error}): deploy infra/queues.yaml or correct the ARN"
            ) from error
        if code in _DENIED_CODES:
            raise ConfigurationError(f"SNS topic {topic_arn} may not be used by this role ({code})") from error
        raise_explained(error, f"SNS topic {topic_arn}", "the ARN", NotifierUnavailableError)
