"""Whose fault it is when Bedrock refuses a request in words that nobody knows: one title's, or the account's.

Belongs here: refusals that wait for the word of their neighbours, and what follows from it. Stays out: words that are
known (`domain/outcomes/known_faults.py`), what becomes of a title then (`pipeline/engine/engine.py`).

A title is at fault itself when a request that was sent with it or later got a reply, whatever the model said in it.
When several titles have failed with the same message and none has had a reply, the account is: the analysis stops, and
nothing is remembered. Refusals come faster than answers, so before that is said nothing new is sent until all that is
under way has ended. Once there were replies it takes more titles, since a few broken ones may come in a row.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.known_faults import folded
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.verdicts import CallOutcome

SEVERAL = 3
MANY = 10  # titles: with the same message after replies came, or with whatever messages

Told = tuple[Call, CallOutcome]


@dataclass(slots=True)
class Turn:
    """One call's place in the order of sending; 0 before it was let through."""

    number: int = 0


class Suspicion:
    """Of one engine, within its event loop. is_patient: refusals may wait until all calls are made (`rest`)."""

    def __init__(self, *, is_patient: bool = True) -> None:
        self.is_patient = is_patient
        self._turns = 0
        self._under_way = 0
        self._replied = 0  # the last turn that got a reply
        self._held: list[tuple[int, Call, CallOutcome]] = []
        self._since: list[tuple[int, str, str]] = []  # refused after that: turn, folded message, title
        self._may_send = asyncio.Event()
        self._may_send.set()

    async def enter(self, turn: Turn) -> None:
        """Before each attempt; the first one waits while the account is suspected."""
        if not turn.number:
            await self._may_send.wait()
            self._turns += 1
            self._under_way += 1
            turn.number = self._turns

    def heard(self, turn: Turn, call: Call, outcome: CallOutcome) -> list[Told]:
        """What can be told now that this call has ended: itself, others that waited for its word, or nothing yet."""
        self._under_way -= bool(turn.number)
        if not self._since and outcome.error_class is not ErrorClass.REQUEST_REFUSED:  # nobody has been refused of late
            self._replied = max(self._replied, turn.number if _is_replied(outcome) else 0)
            return [(call, outcome)]
        if _is_replied(outcome):
            self._replied = max(self._replied, turn.number)
        told: list[Told] = []
        if outcome.error_class is ErrorClass.REQUEST_REFUSED:
            self._held.append((turn.number, call, outcome))
            self._since.append((turn.number, folded(outcome.message), call.manga_id))
        else:
            told.append((call, outcome))
        told += self._at_fault_themselves()
        is_suspected = self._is_suspected()
        if not self._under_way:
            if is_suspected:
                told += self._of_account()
            elif not self.is_patient:
                told += self._left()
            is_suspected = False
        (self._may_send.clear if is_suspected else self._may_send.set)()
        return told

    def rest(self, *, is_cut: bool) -> list[Told]:
        """What still waits when no more is sent. Unless the run was cut, neighbours that were answered are a word."""
        if self._replied and not is_cut:
            self._replied = self._turns
        return [*self._at_fault_themselves(), *self._left()]

    def _at_fault_themselves(self) -> Iterator[Told]:
        held, self._held = self._held, []
        self._since = [each for each in self._since if each[0] > self._replied]
        for number, call, outcome in held:
            if number > self._replied:
                self._held.append((number, call, outcome))
            else:
                yield call, _blamed(outcome, ErrorClass.INVALID_REQUEST, outcome.message)

    def _is_suspected(self) -> bool:
        titles: dict[str, set[str]] = defaultdict(set)
        for _, message, manga_id in self._since:
            titles[message].add(manga_id)
        if len(set().union(*titles.values())) >= MANY:
            return True
        return not self._replied and any(len(each) >= SEVERAL for each in titles.values())

    def _of_account(self) -> Iterator[Told]:
        count = len({manga_id for _, _, manga_id in self._since})
        held, self._held = self._held, []
        for _, call, outcome in held:
            message = f"{count} titles were refused and none was answered: {outcome.message}"
            yield call, _blamed(outcome, ErrorClass.ACCOUNT_REFUSED, message)

    def _left(self) -> list[Told]:
        """Nobody's fault as far as is known: nothing is remembered."""
        held, self._held = self._held, []
        return [(call, outcome) for _, call, outcome in held]


def _is_replied(outcome: CallOutcome) -> bool:
    return any(attempt.stop_reason for attempt in outcome.attempts)


def _blamed(outcome: CallOutcome, error_class: ErrorClass, message: str) -> CallOutcome:
    *before, last = outcome.attempts
    attempts = (*before, replace(last, error_class=error_class))
    return replace(outcome, error_class=error_class, message=message, attempts=attempts)
