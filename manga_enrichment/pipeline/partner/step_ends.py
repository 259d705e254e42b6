"""What the end of a step means for the requests that are worked at: tried again, given back, or kept until it shows.

Belongs here: which error means what, for ops and for resident runs alike. Stays out: giving back
(`holding/requeue.py`), how often something is tried (`pipeline/engine/retry_rules.py`).
"""

from enum import Enum

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.error_classes import ModelError
from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError


class StepEnd(Enum):
    """wrong: somebody must mend something; lost: what the step needs is gone; away: a store or the model is, and may
    come back; unforeseen: the request itself may be the reason, so its receives count and the third is its last."""

    WRONG = "wrong"
    LOST = "lost"
    AWAY = "away"
    UNFORESEEN = "unforeseen"

    @property
    def may_pass(self) -> bool:
        """Whether trying the step again is worth it."""
        return self in (StepEnd.AWAY, StepEnd.UNFORESEEN)

    @property
    def gives_back(self) -> bool:
        """Whether the request is sent again, as its receive is not its own fault."""
        return self in (StepEnd.WRONG, StepEnd.AWAY)


def end_of(error: Exception) -> StepEnd:
    if isinstance(error, ConfigurationError):
        return StepEnd.WRONG
    if isinstance(error, LookupError):
        return StepEnd.LOST
    if isinstance(error, StoreUnavailableError | QueueUnavailableError | ModelError):
        return StepEnd.AWAY
    return StepEnd.UNFORESEEN
