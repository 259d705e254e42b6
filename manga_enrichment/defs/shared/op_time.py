"""How long an op may still ask, over all tries that Dagster makes of it.

Belongs here: the time that tries took, and whether another would come too late. Stays out: what makes another try
worth it (`pipeline/engine/retry_rules.py`), who asks for it (`policies.py`).
"""

from dataclasses import dataclass

import dagster as dg

from manga_enrichment.gateways.clock import Clock

_TRY_BEGINS = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED}


@dataclass(frozen=True, slots=True)
class OpTime:
    """ends_at: on the clock's monotonic seconds."""

    clock: Clock
    ends_at: float

    @classmethod
    def of(cls, context: dg.OpExecutionContext, clock: Clock, deadline_seconds: float) -> "OpTime":
        """Made as a try begins."""
        return cls(clock, clock.monotonic_seconds() + deadline_seconds - _seconds_of_earlier_tries(context))

    def left_seconds(self) -> float:
        return max(0.0, self.ends_at - self.clock.monotonic_seconds())


def _seconds_of_earlier_tries(context: dg.OpExecutionContext) -> float:
    """With the waits between them, as Dagster's event log has them; a machine's own clock starts anew in each."""
    if not context.retry_number:
        return 0.0
    begun = context.instance.all_logs(context.run_id, of_type=_TRY_BEGINS)
    moments = [log.timestamp for log in begun if log.step_key == str(context.op_handle)]
    return max(moments) - min(moments) if moments else 0.0
