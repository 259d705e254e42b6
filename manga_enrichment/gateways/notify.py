"""Telling people and partners: callbacks over HTTPS, topics of SNS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """status: HTTP status of the receiver, 0 when there was none; problem: "" when it took the event."""

    status: int
    problem: str = ""


class CallbackSender(Protocol):
    """One signed POST: https, public address after resolution, no redirects, 10 s. Never raises for a bad receiver."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> CallbackAnswer: ...


class Mailer(Protocol):
    """SES."""

    def send(self, address: str, template: str, values: Mapping[str, str]) -> None:
        """Raises NotifierUnavailableError; ConfigurationError when sender or template are not known to SES."""
        ...


@dataclass(frozen=True, slots=True)
class Notification:
    """One message for a topic. deduplication_id: as in `Notifier.publish`; unlike those of the others beside it."""

    subject: str
    message: str
    deduplication_id: str


class Notifier(Protocol):
    """SNS."""

    def publish(self, topic_arn: str, subject: str, message: str, *, deduplication_id: str = "") -> None:
        """Raises NotifierUnavailableError; ConfigurationError when the topic is missing or closed to us.

        deduplication_id reaches subscribers as the attribute `event_id`, so that they can tell a repetition.
        """
        ...

    def publish_all(self, topic_arn: str, notifications: Sequence[Notification]) -> list[str]:
        """Many at once: why each was not taken, "" for those that were. Never raises for a topic, as `publish` does."""
        ...
