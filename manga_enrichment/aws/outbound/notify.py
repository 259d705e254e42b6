"""Notifier on SNS.

Belongs here: publishing and what SNS takes. Stays out: which topics a partner may name
(`domain/requests/validation.py`), when somebody is told and how often it is tried (`pipeline/`).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.aws.clients import raise_explained
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import NotifierUnavailableError

_MAX_SUBJECT_CHARACTERS = 100
_MAX_MESSAGE_BYTES = 255 * 1024  # of SNS's 256 KiB; attributes count too
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
        request: dict[str, Any] = {"TopicArn": topic_arn, "Message": message}
        readable = _NOT_IN_SUBJECTS.sub(" ", subject).strip()[:_MAX_SUBJECT_CHARACTERS]
        if readable:
            request["Subject"] = readable
        if deduplication_id:
            request["MessageAttributes"] = {"event_id": {"DataType": "String", "StringValue": deduplication_id}}
        if topic_arn.endswith(".fifo"):
            request |= {"MessageGroupId": "notifications", "MessageDeduplicationId": deduplication_id}
        with _errors_explained(topic_arn):
            self._client.publish(**request)


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
