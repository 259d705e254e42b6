"""Endings: why a run sends a call no more, or need not even claim it.

Belongs here: the one answer to that, in the order in which reasons count. Stays out: waiting for what is at the model,
saving and shutting down (`engine.py`).
"""

from collections.abc import Callable

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.money.budget import RunBudget
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry
from manga_enrichment.pipeline.engine.verdicts import unfunded


class Endings:
    """stopped_by, stopped_message: why no call can succeed any more (wrong credentials, no such model), None while some
    may. is_over: the run ends, nothing new is sent. may_ask is looked at before every attempt.
    """

    def __init__(
        self,
        budget: RunBudget,
        outage_retry: OutageRetry,
        clock: Clock,
        deadline_seconds: float,
        may_ask: Callable[[Call], bool] = lambda _call: True,
    ) -> None:
        self._budget = budget
        self._outage_retry = outage_retry
        self._clock = clock
        self._may_ask = may_ask
        self._until = clock.monotonic_seconds() + deadline_seconds
        self.is_over = False
        self.stopped_by: ErrorClass | None = None
        self.stopped_message = ""

    @property
    def waits_for(self) -> str:
        """What nothing new is sent for just now, as far as that is no quota; "" while all is well."""
        if self._budget.brake is not None:
            return self._budget.brake.sentence()
        return "DynamoDB, which does not answer" if self._outage_retry.is_away else ""

    @property
    def until(self) -> float:
        """The deadline, on the clock's monotonic seconds."""
        return self._until

    def of_call(self, call: Call) -> ErrorClass | None:
        """Why this call may not be sent any more; None while all is well."""
        if self.is_over or self.stopped_by is not None or not self._may_ask(call):
            return ErrorClass.STOPPED
        if self._outage_retry.gave_up is not None:
            return ErrorClass.LEDGER_UNAVAILABLE
        if self._budget.brake is not None:
            return ErrorClass.BRAKE
        return ErrorClass.DEADLINE if self._clock.monotonic_seconds() >= self._until else None

    def before_claim(self, call: Call) -> tuple[ErrorClass, str] | None:
        """Why a call need not even be claimed, with a sentence; None when it is to be asked."""
        ending = self.of_call(call)
        is_short = ending is None and self._budget.has_refused  # seldom: then estimates are worth their CPU
        if is_short and self._budget.has_no_room_for(call.estimated_micro_usd()):
            refusal = unfunded(None, self._budget.refused_by)
            return refusal.error_class, refusal.message
        return None if ending is None else (ending, self._why(ending))

    def _why(self, ending: ErrorClass) -> str:
        if ending is ErrorClass.LEDGER_UNAVAILABLE:
            return str(self._outage_retry.gave_up)
        if ending is ErrorClass.BRAKE and self._budget.brake is not None:
            return self._budget.brake.sentence()
        return self.stopped_message  # "" while some call may succeed
