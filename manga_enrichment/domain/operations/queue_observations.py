"""What was seen of one queue at one moment, and when that is a reason to worry.

Belongs here: the observation, its table's columns, the rules of the queue checks. Pure. Stays out: asking SQS and
CloudWatch (`pipeline/health/queue_watch.py`), severities as Dagster knows them (`defs/queues/checks.py`).

An age is known, a lower bound, or unknown, and an observation says which; 0 would claim that everything is fine.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, NORMAL, QUEUES
from manga_enrichment.domain.tables.columns import Column

OLDEST_NORMAL_SECONDS = 600.0
HIGH_PRIORITY_MESSAGES = 100
OLDEST_IN_SESSION_SECONDS = 600.0
"""Of a FIFO queue: what comes after the oldest message of a session waits for it."""


class AgeSource(StrEnum):
    """Where the age of a queue's oldest message comes from.

    CLOUDWATCH   SQS's own metric
    AT_LEAST     the oldest request that a live run holds; what still waits in the queue may be older
    EMPTY        nothing is there, so nothing is old
    UNKNOWN      messages are there, and nobody can tell since when
    """

    CLOUDWATCH = "cloudwatch"
    AT_LEAST = "at_least"
    EMPTY = "empty"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class QueueObservation:
    """One queue. Numbers of messages are approximate, as SQS gives them.

    held                 messages that live runs work at or are about to; None for a dead-letter queue
    runs_in_flight       runs of this queue that wait or work; None for a dead-letter queue
    backlog_per_run      visible messages per run that could take them; None for a dead-letter queue
    oldest_age_seconds   None when empty or unknown
    """

    observed_at: datetime
    queue: str
    visible: int
    in_flight: int
    delayed: int
    oldest_age_source: AgeSource
    oldest_age_seconds: float | None = None
    runs_in_flight: int | None = None
    held: int | None = None
    backlog_per_run: float | None = None

    @property
    def messages(self) -> int:
        return self.visible + self.in_flight + self.delayed

    @property
    def is_dead_letters(self) -> bool:
        return QUEUES[self.queue].dead_letters is None

    @property
    def hidden_without_run(self) -> int:
        """Messages that are in flight although no run holds them: deferred, or their run died."""
        return max(0, self.in_flight - (self.held or 0))

    def age_words(self) -> str:
        """As people read it: `12 s`, `at least 700 s`, `unknown`, `-` when there is nothing."""
        if self.oldest_age_seconds is None:
            return "-" if self.oldest_age_source is AgeSource.EMPTY else "unknown"
        bound = "at least " if self.oldest_age_source is AgeSource.AT_LEAST else ""
        return f"{bound}{self.oldest_age_seconds:.0f} s"


QUEUE_OBSERVATION_COLUMNS = (
    Column("observed_at", "timestamp", "when SQS was asked (UTC); the same for all queues of one look", nullable=False),
    Column("queue", "string", "name of the queue", nullable=False),
    Column("kind", "string", "what waits in it", nullable=False, values=("requests", "dead_letters")),
    Column("visible", "int64", "messages that can be received now (approximate)", nullable=False),
    Column("in_flight", "int64", "messages received and not yet acked (approximate)", nullable=False),
    Column("delayed", "int64", "messages sent with a delay that is not over (approximate)", nullable=False),
    Column("runs_in_flight", "int64", "runs of the queue that wait or work; null for dead-letter queues"),
    Column("held", "int64", "requests that those runs hold; null for dead-letter queues"),
    Column("backlog_per_run", "float64", "visible ÷ runs in flight (at least 1); null for dead-letter queues"),
    Column("oldest_age_seconds", "float64", "age of the oldest message; null when empty or unknown, see the source"),
    Column(
        "oldest_age_source",
        "string",
        "cloudwatch: SQS's metric; at_least: of what live runs hold; empty; unknown",
        nullable=False,
        values=tuple(source.value for source in AgeSource),
    ),
    Column("dagster_run_id", "string", "run that looked", nullable=False),
)


def backlog_problems(seen: Sequence[QueueObservation]) -> list[str]:
    """Of one look: where consumers do not keep up, one sentence each. An unknown age is not taken for a good one."""
    problems = []
    for queue in seen:
        if queue.queue == HIGH_PRIORITY.name and queue.visible > HIGH_PRIORITY_MESSAGES:
            problems.append(f"{queue.queue}: {queue.visible} messages wait, more than {HIGH_PRIORITY_MESSAGES}")
        if queue.queue == NORMAL.name and (queue.oldest_age_seconds or 0.0) > OLDEST_NORMAL_SECONDS:
            problems.append(f"{queue.queue}: oldest message {queue.age_words()}, more than {OLDEST_NORMAL_SECONDS:.0f}")
    return problems


def blocked_session_problems(seen: Sequence[QueueObservation]) -> list[str]:
    """Of one look: FIFO queues in which a session may wait for a message that nobody works at, one sentence each."""
    problems = []
    for queue in (each for each in seen if QUEUES[each.queue].is_fifo and not each.is_dead_letters):
        if queue.hidden_without_run:
            problems.append(f"{queue.queue}: {queue.hidden_without_run} messages are hidden and no run holds them")
        if queue.visible and not queue.runs_in_flight:
            problems.append(f"{queue.queue}: {queue.visible} messages wait and no run is in flight")
        if (queue.oldest_age_seconds or 0.0) > OLDEST_IN_SESSION_SECONDS:
            problems.append(f"{queue.queue}: oldest message {queue.age_words()}")
    return problems


def unknown_ages(seen: Sequence[QueueObservation], queues: Collection[str]) -> list[str]:
    """Those of `queues` whose oldest message may be of any age."""
    return [each.queue for each in seen if each.queue in queues and each.oldest_age_source is AgeSource.UNKNOWN]
