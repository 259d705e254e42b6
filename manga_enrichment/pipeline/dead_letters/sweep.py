"""Sweep: dead letters that a caller chooses are looked at, or deleted; nobody works at them again.

Belongs here: one bounded pass that leaves everything else as it was. Stays out: who chooses
(`pipeline/forgetting/forget.py`), sending back (`redrive.py`).
"""

from collections.abc import Callable

from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.queue import Message, RequestQueue

_PER_CALL = 10
_WAIT_SECONDS = 1
_HOLD_SECONDS = 300
_PASS_SECONDS = 240


def sweep(
    queues: RequestQueue, clock: Clock, takes: Callable[[Message], bool], *, delete: bool
) -> tuple[list[Message], int]:
    """The chosen messages of both queues, deleted or not, and how many no look was had at.

    Each pass holds what it leaves until it ends. Of a FIFO group ten can be seen, and those behind only if these go.
    Raises QueueUnavailableError.
    """
    chosen: list[Message] = []
    unseen = 0
    for queue in DEAD_LETTER_QUEUES:
        found, seen = _pass(queues, clock, queue.name, takes, delete=delete)
        chosen += found
        depth = queues.depth(queue.name)
        left = seen - (len(found) if delete else 0)
        unseen += max(0, depth.visible + depth.in_flight + depth.delayed - left)
    return chosen, unseen


def _pass(
    queues: RequestQueue, clock: Clock, queue: str, takes: Callable[[Message], bool], *, delete: bool
) -> tuple[list[Message], int]:
    """The chosen messages of one queue, and how many distinct ones were seen."""
    chosen: dict[str, Message] = {}
    seen: set[str] = set()
    held: list[str] = []
    deadline = clock.monotonic_seconds() + _PASS_SECONDS
    try:
        while clock.monotonic_seconds() < deadline:
            batch = queues.receive(
                queue, max_messages=_PER_CALL, wait_seconds=_WAIT_SECONDS, visibility_seconds=_HOLD_SECONDS
            )
            held += [message.receipt_handle for message in batch]
            fresh = [message for message in batch if message.message_id not in seen]
            seen |= {message.message_id for message in fresh}
            taken = [message for message in fresh if takes(message)]
            chosen |= {message.message_id: message for message in taken}
            if delete and taken:
                queues.delete(queue, [message.receipt_handle for message in taken])
            if not fresh:
                break
    finally:
        gone = {message.receipt_handle for message in chosen.values()} if delete else set()
        queues.extend(queue, [handle for handle in held if handle not in gone], 0)
    return list(chosen.values()), len(seen)
