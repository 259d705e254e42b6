"""Redrive: dead letters back to the queue they came from, those that a person chose.

Belongs here: the filter, one bounded pass, the report. Stays out: reading dead letters (`queue.py`); the new
generation, which the claim of the redriven message gives.

A pass holds every message it leaves behind until it ends, so that none is received twice in it, then releases them. It
ends when the queue gives nothing new, at its limit, or when its time is up, before the first held message reappears.

For each chosen message: reopen its request, so that the next claim may have it; send; delete. Interrupted before the
delete, the next redrive sends it once more. A FIFO queue drops that copy (same de-duplication id) for five minutes;
otherwise the claim finds the request live or answered and the copy is only acknowledged.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.queues import QUEUES, REQUEST_QUEUES
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.queue import Message, RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.dead_letters.queue import OWN_ATTRIBUTES, DeadLetter, DeadLetters

REDRIVES = "redrives"
"""Message attribute: how often it was redriven."""

_PER_CALL = 10
_WAIT_SECONDS = 1
_HOLD_SECONDS = 300
_PASS_SECONDS = 240


@dataclass(frozen=True, slots=True)
class RedriveFilter:
    """All that is given must fit; nothing given: every message. reasons: of the message or error classes of its row."""

    reasons: frozenset[str] = frozenset()
    partners: frozenset[str] = frozenset()
    request_ids: frozenset[str] = frozenset()
    older_than_seconds: float | None = None
    younger_than_seconds: float | None = None

    def takes(self, letter: DeadLetter) -> bool:
        return (
            (not self.reasons or bool(self.reasons & {letter.reason, letter.error_class}))
            and (not self.partners or letter.partner_id in self.partners)
            and (not self.request_ids or letter.request_id in self.request_ids)
            and (self.older_than_seconds is None or letter.age_seconds >= self.older_than_seconds)
            and (self.younger_than_seconds is None or letter.age_seconds <= self.younger_than_seconds)
        )


@dataclass(frozen=True, slots=True)
class RedriveReport:
    """Distinct messages of one pass.

    redriven         sent back (in a dry run: would have been), and of each reason and to each queue how many
    not_deleted      redriven, but their lease was lost: they are still here and may be redriven once more
    left             seen and not chosen, or over the limit
    without_queue    chosen, but nothing tells where they came from: name a target queue
    refused          chosen, but the target does not take them (too large with its attributes)
    ended_by         empty: nothing new came; limit; time: there may be more, redrive again
    """

    queue: str
    dry_run: bool
    examined: int
    redriven: int
    not_deleted: int
    left: int
    without_queue: int
    refused: int
    reasons: Mapping[str, int]
    targets: Mapping[str, int]
    ended_by: str

    def sentence(self) -> str:
        done = "would go back" if self.dry_run else "went back"
        numbers = {
            "left": self.left,
            "without a known queue": self.without_queue,
            "refused": self.refused,
            "not deleted": self.not_deleted,
        }
        rest = "".join(f", {count} {name}" for name, count in numbers.items() if count)
        more = {"limit": "; the limit is reached", "time": "; the time was up, there may be more"}
        targets = "".join(f", {count} to {name}" for name, count in self.targets.items())
        return f"{self.queue}: {self.redriven} of {self.examined} {done}{targets}{rest}{more.get(self.ended_by, '')}"


@dataclass(slots=True)
class _Pass:
    """What one pass knows. held: handles by outcome, released at its end."""

    queue: str
    limit: int
    dry_run: bool
    seen: set[str] = field(default_factory=set)
    sent: list[str] = field(default_factory=list)
    held: dict[str, list[str]] = field(
        default_factory=lambda: {"left": [], "without_queue": [], "refused": [], "dry_run": [], "again": []}
    )
    redriven: int = 0
    not_deleted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)

    def count(self, letter: DeadLetter, target: str) -> None:
        self.redriven += 1
        self.reasons[letter.reason] += 1
        self.targets[target] += 1

    def report(self, ended_by: str) -> RedriveReport:
        return RedriveReport(
            queue=self.queue,
            dry_run=self.dry_run,
            examined=len(self.seen),
            redriven=self.redriven,
            not_deleted=self.not_deleted,
            left=len(self.held["left"]),
            without_queue=len(self.held["without_queue"]),
            refused=len(self.held["refused"]),
            reasons=dict(self.reasons.most_common()),
            targets=dict(self.targets.most_common()),
            ended_by=ended_by,
        )


class Redrive:
    """Passes over dead-letter queues."""

    def __init__(self, *, queues: RequestQueue, requests: RequestStore, clock: Clock) -> None:
        self._queues = queues
        self._requests = requests
        self._clock = clock
        self._letters = DeadLetters(queues=queues, requests=requests, clock=clock)

    def redrive(
        self,
        queue: str,
        chosen: RedriveFilter,
        *,
        limit: int,
        dry_run: bool = False,
        target: str = "",
        say: Callable[[str], None] = lambda _line: None,
    ) -> RedriveReport:
        """One pass over a dead-letter queue, at most `limit` messages to `target` or, "", to where each came from.

        On the FIFO queue a pass sees ten messages of a group, and those behind only if these go.

        Raises ConfigurationError for a target that cannot take them, QueueUnavailableError and StoreUnavailableError;
        what was sent by then is deleted, the rest released.
        """
        _check_target(queue, target)
        state = _Pass(queue, limit, dry_run)
        try:
            ended_by = self._run(state, chosen, target, say)
        finally:
            self._queues.extend(queue, list(chain.from_iterable(state.held.values())), 0)
        return state.report(ended_by)

    def _run(self, state: _Pass, chosen: RedriveFilter, target: str, say: Callable[[str], None]) -> str:
        deadline = self._clock.monotonic_seconds() + _PASS_SECONDS
        while state.redriven < state.limit:
            if self._clock.monotonic_seconds() >= deadline:
                return "time"
            batch = self._queues.receive(
                state.queue, max_messages=_PER_CALL, wait_seconds=_WAIT_SECONDS, visibility_seconds=_HOLD_SECONDS
            )
            if not self._work_off(state, batch, chosen, target):
                return "empty"
            say(f"{len(state.seen)} examined, {state.redriven} {'chosen' if state.dry_run else 'redriven'}")
        return "limit"

    def _work_off(self, state: _Pass, batch: list[Message], chosen: RedriveFilter, target: str) -> bool:
        """Whether the batch held anything new. Whatever happens, each message ends up deleted or in `held`."""
        fresh = False
        waiting = list(batch)
        try:
            while waiting:
                message = waiting[0]
                outcome = "again"  # SQS may deliver twice
                if message.message_id not in state.seen:
                    fresh = True
                    outcome = self._decide(state, message, chosen, target)
                    state.seen.add(message.message_id)
                (state.sent if outcome == "sent" else state.held[outcome]).append(message.receipt_handle)
                waiting.pop(0)
        finally:
            state.held["again"] += [message.receipt_handle for message in waiting]
            lost = self._queues.delete(state.queue, state.sent)
            state.not_deleted += len(lost)
            state.sent.clear()
        return fresh

    def _decide(self, state: _Pass, message: Message, chosen: RedriveFilter, target: str) -> str:
        letter = self._letters.read(message)
        if state.redriven >= state.limit or not chosen.takes(letter):
            return "left"
        to = target or letter.original_queue
        if not to:
            return "without_queue"
        if not state.dry_run and not self._send(letter, to):
            return "refused"
        state.count(letter, to)
        return "dry_run" if state.dry_run else "sent"

    def _send(self, letter: DeadLetter, target: str) -> bool:
        """Reopen, then send: the other way round, a fast worker would find the request closed and drop the message."""
        message = letter.message
        if letter.request_id:
            self._requests.reopen(letter.request_id)
        own = {name: value for name, value in message.attributes.items() if name not in OWN_ATTRIBUTES}
        before = own.get(REDRIVES, "")
        try:
            self._queues.send(
                target,
                message.body,
                attributes={**own, REDRIVES: str(int(before) + 1 if before.isdecimal() else 1)},
                group_id=message.group_id,
                deduplication_id=f"redrive.{message.message_id}",
            )
        except ValueError:
            return False
        return True


def _check_target(queue: str, target: str) -> None:
    if queue not in {each.dead_letters for each in REQUEST_QUEUES}:
        raise ConfigurationError(f"{queue} is not one of the dead-letter queues")
    if target and target not in {each.name for each in REQUEST_QUEUES if each.dead_letters == queue}:
        fitting = ", ".join(sorted(each.name for each in QUEUES.values() if each.dead_letters == queue))
        raise ConfigurationError(f"{target} cannot take messages of {queue}: name one of {fitting}")
