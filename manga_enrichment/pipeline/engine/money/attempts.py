"""Attempts: a request that has left, and its line in the log, with what it cost.

Belongs here: what an answer, an error or a lost word make of that line. Stays out: sending
(`pipeline/engine/call_loop.py`), usage that cannot be true (`billing.py`), whether a reply is an answer
(`pipeline/engine/verdicts.py`).
"""

from datetime import datetime
from typing import NamedTuple

from manga_enrichment.domain.outcomes.answers import Attempt
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.model import ModelReply
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.money.billing import book_call, with_guardrail
from manga_enrichment.pipeline.engine.money.estimates import CallEstimate
from manga_enrichment.pipeline.engine.verdicts import Refusal

_MESSAGE_CHARACTERS = 300


class Sent(NamedTuple):
    """A request on its way. number: of the attempt; at: monotonic second."""

    call: Call
    estimate: CallEstimate
    number: int
    started_at: datetime
    at: float

    @classmethod
    def now(cls, call: Call, estimate: CallEstimate, number: int, clock: Clock) -> "Sent":
        return cls(call, estimate, number, clock.now(), clock.monotonic_seconds())

    def _milliseconds(self, now: float) -> int:
        return round((now - self.at) * 1000)

    def answered(self, reply: ModelReply, refusal: Refusal | None, now: float) -> Attempt:
        """A complete reply came. refusal: why it is no valid answer; now: monotonic second."""
        call, estimate = self.call, self.estimate
        served = call.model.served_in(reply.service_tier)
        tokens = book_call(reply.usage, served, estimate)
        booked = with_guardrail(tokens, call.guardrail, reply.guarding, estimate.guardrail_micro_usd)
        message = ". ".join(filter(None, (booked.problem, refusal.message if refusal else "")))
        return Attempt(
            number=self.number,
            started_at=self.started_at,
            latency_ms=self._milliseconds(now),
            usage=booked.usage,
            cost_micro_usd=booked.cost_micro_usd,
            error_class=refusal.error_class if refusal else None,
            stop_reason=reply.stop_reason,
            maybe_billed=booked.is_estimate,
            message=message[:_MESSAGE_CHARACTERS],
            guardrail_micro_usd=booked.guardrail_micro_usd,
            service_tier=served.tier,
        )

    def unanswered(self, refusal: Refusal, now: float, *, maybe_billed: bool) -> Attempt:
        """None came; what may be billed all the same is the estimate."""
        return Attempt(
            number=self.number,
            started_at=self.started_at,
            latency_ms=self._milliseconds(now),
            cost_micro_usd=self.estimate.cost_micro_usd(self.call.model) if maybe_billed else 0,
            error_class=refusal.error_class,
            maybe_billed=maybe_billed,
            message=refusal.message[:_MESSAGE_CHARACTERS],
            service_tier=self.call.model.tier,
        )


def abandoned(cost_micro_usd: int, started_at: datetime) -> Attempt:
    """What a killed run may have paid for the same answer."""
    return Attempt(
        number=1,
        started_at=started_at,
        latency_ms=0,
        cost_micro_usd=cost_micro_usd,
        error_class=ErrorClass.ABANDONED,
        maybe_billed=True,
        message="a run that was killed had claimed this answer: its call may have been made",
    )
