"""Dead requests: their message is a dead letter, and their runs ended without a word. Sent again once, then failed.

Belongs here: finding them, choosing what is sent again, booking and logging what their runs paid, status and
announcement, in steps of which each may be repeated or cut off. Stays out: claims of the ledger (`lost_calls.py`),
looking at dead letters (`pipeline/dead_letters/sweep.py`), sending them (`pipeline/dead_letters/redrive.py`).

    books          claims that were left behind, then answers of the ledger that no log has
    document       the fence against a later generation
    status         failed, still without a result: the next look begins again, and a message that comes may be claimed
    rows, outbox   as for every final request
    result key     closes it. A redrive opens it again, as it does every closed request without an answer

The message stays where it is, unless its request is answered after all: killed between status and announcement, that
is told and its message taken, as intake would. A request of which another message may still come is left alone:
nobody has held its lease for longer than SQS delays any message.

Three deliveries may be lost in an outage, or with processes that were killed. The request is not to blame for that, so
its message goes back by itself, with receives that count from 0, whether it was claimed or not (`unclaimed.py`). Should
another copy still wait, claims decide; a run that takes it up books what its killed runs left and asks only what has no
answer. What takes three more deliveries down with it is no accident, and ends here.
"""

import logging
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from manga_enrichment.domain.callbacks.deliveries import CallbackState
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.claims import Claimed, RequestRow, is_leased
from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES
from manga_enrichment.domain.requests.reading.envelope import Envelope, Rejection, parse_envelope, read_request
from manga_enrichment.domain.requests.results import References, RequestResult, ResultHeading
from manga_enrichment.domain.requests.states import RequestState, TransitionError, is_answered
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import FencedError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import Message, RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.dead_letters.queue import REASON as REASON_ATTRIBUTE
from manga_enrichment.pipeline.dead_letters.redrive import REDRIVES, Redrive, RedriveFilter
from manga_enrichment.pipeline.dead_letters.sweep import sweep
from manga_enrichment.pipeline.health.lost_calls import LostCalls
from manga_enrichment.pipeline.health.unclaimed import UnclaimedLetters, is_unclaimed
from manga_enrichment.pipeline.log.append import log_entries
from manga_enrichment.pipeline.log.arrears import settle_arrears
from manga_enrichment.pipeline.log.rows import PARTNER_TRIGGER
from manga_enrichment.pipeline.partner.ending.collect import PartnerCollecting
from manga_enrichment.pipeline.partner.ending.complete import Completion
from manga_enrichment.pipeline.partner.holding.requeue import MAX_DELAY_SECONDS
from manga_enrichment.pipeline.partner.plan import PartnerPlan, read_partner_plan
from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning
from manga_enrichment.pipeline.partner.stored.requests import (
    StoredRequest,
    read_stored_request,
    stored_request,
    write_request,
)
from manga_enrichment.pipeline.partner.stored.results import write_document
from manga_enrichment.pipeline.store.object_keys import result_document_key

RUN_ENDED = "run_ended"
"""Error class of the requests that end here."""
REASON = (
    "its run ended before its answer, as often as its message was delivered; "
    "redrive it with manga-enrichment dlq redrive"
)
GRACE = timedelta(seconds=MAX_DELAY_SECONDS)
TOLD_WITHIN = timedelta(hours=1)
"""Of its status: three deliveries are over by then, and a look has been had."""
_WORKED_ON = frozenset({RequestState.RECEIVED, RequestState.QUEUED, RequestState.PROCESSING})

_log = logging.getLogger(__name__)


class Fate(StrEnum):
    """What became of a request at this look.

    closed: now; acked: was answered, told again; told: had failed, told again; unclaimed: sent again, as no delivery
    of it came to a claim; waits: a run may still be asking for it; taken: it went on meanwhile; left: an error, tried
    again at the next look
    """

    CLOSED = "closed"
    ACKED = "acked"
    TOLD = "told"
    SENT_AGAIN = "sent_again"
    WAITS = "waits"
    TAKEN = "taken"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadRequests:
    queues: RequestQueue
    requests: RequestStore
    tables: ObjectStore
    ledger: ResultLedger
    budget: BudgetStore
    clock: Clock
    planning: PartnerPlanning
    lost_calls: LostCalls
    endings: Completion
    policy: RequestPolicy

    def close_all(self) -> Counter[Fate]:
        """One look at all dead letters. Safe to repeat. Raises QueueUnavailableError, StoreUnavailableError."""
        fates: Counter[Fate] = Counter()
        depths = (self.queues.depth(queue.name) for queue in DEAD_LETTER_QUEUES)
        if not any(depth.visible for depth in depths):
            return fates
        settle_arrears(self.tables, self.ledger, self.budget, self.clock.now())
        again: set[str] = set()

        def look(message: Message) -> bool:
            parsed = parse_envelope(message.body)
            fate = self._fate(message, parsed) if isinstance(parsed, Envelope) else None
            if fate is not None:
                fates[fate] += 1
            if fate is Fate.SENT_AGAIN and isinstance(parsed, Envelope):
                again.add(parsed.request_id)
            return fate is Fate.ACKED

        sweep(self.queues, self.clock, look, delete=True)
        self._send_again(again)
        return fates

    def _send_again(self, request_ids: Collection[str]) -> None:
        """Each to the queue that it came from."""
        redrive = Redrive(queues=self.queues, requests=self.requests, clock=self.clock)
        chosen = RedriveFilter(request_ids=frozenset(request_ids))
        for queue in DEAD_LETTER_QUEUES if request_ids else ():
            redrive.redrive(queue.name, chosen, limit=len(request_ids))

    def _fate(self, message: Message, parsed: Envelope) -> Fate | None:
        """None for what is no dead request."""
        try:
            row = self.requests.get(parsed.request_id)
            if row is not None and row.partner_id != parsed.partner_id:
                return None
            if is_unclaimed(row, message):
                return self._close_unclaimed(message) if _was_sent_again(message) else Fate.SENT_AGAIN
            return None if row is None else self._fate_of_claimed(row, message)
        except (FencedError, TransitionError):
            return Fate.TAKEN
        except Exception:  # noqa: BLE001 (one dead letter must not keep the others from their end)
            _log.exception("dead request %s could not be closed and is tried again", parsed.request_id)
            return Fate.LEFT

    def _fate_of_claimed(self, row: RequestRow, message: Message) -> Fate | None:
        if not self._is_dead(row):
            return self._finish(row, message)
        has_begun_to_end = row.state is RequestState.FAILED
        return self._close(row, message) if has_begun_to_end or _was_sent_again(message) else Fate.SENT_AGAIN

    def _close_unclaimed(self, message: Message) -> Fate | None:
        letters = UnclaimedLetters(
            requests=self.requests, clock=self.clock, lost_calls=self.lost_calls, policy=self.policy
        )
        decision = letters.claim(message)
        if decision is None:
            return None
        return self._close(decision.row, message) if isinstance(decision, Claimed) else Fate.TAKEN

    def _is_dead(self, row: RequestRow) -> bool:
        is_unfinished = row.state in _WORKED_ON or (row.state is RequestState.FAILED and not row.result_key)
        now = self.clock.now()
        over_at = now - self.lost_calls.clock_skew
        has_just_ended = timedelta(0) <= over_at - row.lease_until < GRACE
        return is_unfinished and not is_leased(row, over_at, now) and not has_just_ended

    def _finish(self, row: RequestRow, message: Message) -> Fate | None:
        """What was killed between status and announcement is told; an answered request needs its message no more.

        One that failed keeps it for a redrive, and is told again for as long as nobody can know that it was.
        """
        if is_answered(row.state):
            self.endings.tell_again(row)
            return Fate.ACKED
        is_closed = row.state is RequestState.FAILED and row.error_class != RUN_ENDED
        if is_closed and REASON_ATTRIBUTE not in message.attributes and self.clock.now() - row.updated_at < TOLD_WITHIN:
            self.endings.tell_again(row)
            return Fate.TOLD
        return None

    def _close(self, row: RequestRow, message: Message) -> Fate:
        stored = self._stored(row, message)
        plan, earlier = self.planning.plan([stored]), self._plan_of_run(row.run_id)
        calls = [call for each in (plan, earlier) for call in each.calls if row.request_id in call.request_ids]
        claimed = self.lost_calls.book(row, calls)
        if claimed.contended:
            return Fate.WAITS
        self._log_answers(row.request_id, earlier)
        collecting = PartnerCollecting(self.tables, self.ledger)
        nobody = Provenance(f"closing-{row.request_id}", self.clock.now().date().isoformat(), PARTNER_TRIGGER)
        [result] = collecting.collect(nobody, plan, [stored], (), [row.request_id])
        cost = result.cost_of_all_generations(row.cost_micro_usd) + sum(claimed.lost.values())
        self._tell(row, stored, _failed(result), cost)
        return Fate.CLOSED

    def _stored(self, row: RequestRow, message: Message) -> StoredRequest:
        """As stored, or out of its message where intake was killed before it could store it."""
        try:
            return read_stored_request(self.tables, row.body_key)
        except LookupError:
            accepted = read_request(message.body, self.policy)
            if isinstance(accepted, Rejection):
                raise
            stored = stored_request(accepted, message.attributes)
            write_request(self.tables, stored)
            return stored

    def _plan_of_run(self, run_id: str) -> PartnerPlan:
        """It may name questions of a catalog that has changed since."""
        try:
            return read_partner_plan(self.tables, run_id) if run_id else PartnerPlan()
        except LookupError:
            return PartnerPlan()

    def _log_answers(self, request_id: str, plan: PartnerPlan) -> None:
        """What a killed run paid for; others' answers are theirs. `collect` logs those of the plan made now."""
        asked = sorted({item.fingerprint for item in plan.items.get(request_id, ()) if item.fingerprint})
        entries = self.ledger.get_many(asked) if asked else {}
        log_entries(self.tables, (each for each in entries.values() if each.provenance.trigger == PARTNER_TRIGGER))

    def _tell(self, row: RequestRow, stored: StoredRequest, result: RequestResult, cost_micro_usd: int) -> None:
        now, key = self.clock.now(), result_document_key(row.partner_id, row.request_id)
        heading = ResultHeading(
            request_id=row.request_id,
            partner_id=row.partner_id,
            schema=row.schema,
            generation=row.generation,
            submitted_at=row.submitted_at,
            completed_at=now,
            cost_micro_usd=cost_micro_usd,
            references=References.of_body(stored.body),
        )
        write_document(self.tables, heading, result, stored.warnings, self.policy.partners.of(row.partner_id))
        pending = CallbackState.PENDING.value if stored.callback_url else ""
        failed = self.requests.update(
            row.request_id,
            row.owner,
            row.generation,
            RequestState.FAILED,
            counts=result.counts,
            cost_micro_usd=cost_micro_usd,
            completed_at=now,
            error_class=RUN_ENDED,
            reason=REASON,
            callback_state=row.callback_state or pending,
        )
        self.endings.tell_again(replace(failed, result_key=key))
        self.requests.update(row.request_id, row.owner, row.generation, result_key=key)


def _was_sent_again(message: Message) -> bool:
    """Since it was a dead letter before; by hand counts too."""
    return REDRIVES in message.attributes


def _failed(result: RequestResult) -> RequestResult:
    """Nothing of it is told as an answer: a redrive gives all of them, and pays for none that is there."""
    items = (
        replace(item, outcome=Outcome.FAILED, error_class=RUN_ENDED, message=REASON, answer=None)
        for item in result.items
    )
    return replace(result, items=tuple(items))
