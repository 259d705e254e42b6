"""The one table of error classes.

Belongs here: every error class with how it is treated. Stays out: what becomes of a title (`outcome.py`), how an HTTP
answer is mapped to a class (`aws/bedrock/converse.py`), who sleeps between tries (`pipeline/engine/call_loop.py`).
Status codes and exception names: botocore's bedrock-runtime model, error shapes of Converse.
"""

from dataclasses import dataclass
from enum import StrEnum

from manga_enrichment.domain.outcomes.outcome import Outcome


class ErrorClass(StrEnum):
    """invalid_request: refused, and known to be the title's own fault; request_refused: refused for a reason that
    nobody knows; account_refused: refused whatever the title (`pipeline/engine/faults/suspicion.py` tells them apart).
    malformed_answer: billed, and there is no answer in it; unanswerable: so on three nights (`pipeline/enrichment/`).
    """

    THROTTLED = "throttled"
    MODEL_NOT_READY = "model_not_ready"
    SERVICE_UNAVAILABLE = "service_unavailable"
    CONNECTION = "connection"
    MODEL_TIMEOUT = "model_timeout"
    MODEL_ERROR = "model_error"
    READ_TIMEOUT = "read_timeout"
    EXPIRED_CREDENTIALS = "expired_credentials"
    INVALID_REQUEST = "invalid_request"
    REQUEST_REFUSED = "request_refused"
    ACCOUNT_REFUSED = "account_refused"
    DAILY_QUOTA = "daily_quota"
    TIER_REFUSED = "tier_refused"
    ACCESS_DENIED = "access_denied"
    MODEL_NOT_FOUND = "model_not_found"
    EMPTY_ANSWER = "empty_answer"
    TRUNCATED_ANSWER = "truncated_answer"
    MAX_TOKENS = "max_tokens"
    REFUSAL = "refusal"
    CONTENT_FILTERED = "content_filtered"
    GUARDRAIL_INTERVENED = "guardrail_intervened"
    INVALID_ANSWER = "invalid_answer"
    MALFORMED_ANSWER = "malformed_answer"
    UNANSWERABLE = "unanswerable"
    BUDGET = "budget"
    PARTNER_DAY_CAP = "partner_day_cap"
    PARTNER_MONTH_CAP = "partner_month_cap"
    BRAKE = "brake"
    DEADLINE = "deadline"
    CLAIMED_ELSEWHERE = "claimed_elsewhere"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    STOPPED = "stopped"
    BATCH_PENDING = "batch_pending"
    ABANDONED = "abandoned"
    CANARY = "canary"


class Retry(StrEnum):
    """How the engine treats a failed attempt."""

    UNTIL_DEADLINE = "until_deadline"
    ONCE = "once"
    REFRESH_FOR_A_WHILE = "refresh_for_a_while"
    LARGER_LIMIT_ONCE = "larger_limit_once"
    REPAIR_ONCE = "repair_once"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Treatment:
    """One row of the table.

    retry           what the engine does about one attempt
    outcome         what the title becomes when that does not help
    transient       a later run may ask again; a permanent failure is remembered and not asked again
    maybe_billed    the attempt may be on the bill although no answer came: charged to the budget
    stops_analysis  no other title can succeed either: stop the op, ask no further
    """

    retry: Retry
    outcome: Outcome
    transient: bool
    maybe_billed: bool = False
    stops_analysis: bool = False


_DEFER = Treatment(Retry.UNTIL_DEADLINE, Outcome.DEFERRED, transient=True)
_LEFT_FOR_LATER = Treatment(Retry.NEVER, Outcome.DEFERRED, transient=True)
_MAYBE_BILLED = Treatment(Retry.ONCE, Outcome.FAILED, transient=True, maybe_billed=True)
_SAID_TO_HAVE_FAILED = Treatment(Retry.ONCE, Outcome.FAILED, transient=True)
"""Bedrock bills the tokens of answers, and this is the word that there is none. A model that took too long worked for
that time, and nowhere does AWS say that it is not billed."""
_REFUSED = Treatment(Retry.NEVER, Outcome.FAILED, transient=False)
_STOPS = Treatment(Retry.NEVER, Outcome.FAILED, transient=True, stops_analysis=True)

TREATMENTS: dict[ErrorClass, Treatment] = {
    ErrorClass.THROTTLED: _DEFER,
    ErrorClass.MODEL_NOT_READY: _DEFER,
    ErrorClass.SERVICE_UNAVAILABLE: _DEFER,
    ErrorClass.CONNECTION: _DEFER,
    ErrorClass.MODEL_TIMEOUT: _MAYBE_BILLED,
    ErrorClass.MODEL_ERROR: _SAID_TO_HAVE_FAILED,
    ErrorClass.READ_TIMEOUT: _MAYBE_BILLED,
    ErrorClass.EMPTY_ANSWER: _MAYBE_BILLED,
    ErrorClass.TRUNCATED_ANSWER: _MAYBE_BILLED,
    ErrorClass.EXPIRED_CREDENTIALS: Treatment(
        Retry.REFRESH_FOR_A_WHILE, Outcome.FAILED, transient=True, stops_analysis=True
    ),
    ErrorClass.INVALID_REQUEST: _REFUSED,
    ErrorClass.REQUEST_REFUSED: Treatment(Retry.NEVER, Outcome.FAILED, transient=True),
    ErrorClass.TIER_REFUSED: Treatment(Retry.NEVER, Outcome.FAILED, transient=True),
    ErrorClass.ACCOUNT_REFUSED: _STOPS,
    ErrorClass.DAILY_QUOTA: Treatment(Retry.NEVER, Outcome.DEFERRED, transient=True, stops_analysis=True),
    ErrorClass.ACCESS_DENIED: _STOPS,
    ErrorClass.MODEL_NOT_FOUND: _STOPS,
    ErrorClass.MAX_TOKENS: Treatment(Retry.LARGER_LIMIT_ONCE, Outcome.FAILED, transient=False),
    ErrorClass.REFUSAL: _REFUSED,
    ErrorClass.CONTENT_FILTERED: _REFUSED,
    ErrorClass.GUARDRAIL_INTERVENED: _REFUSED,
    ErrorClass.INVALID_ANSWER: Treatment(Retry.REPAIR_ONCE, Outcome.FAILED, transient=False),
    ErrorClass.MALFORMED_ANSWER: _SAID_TO_HAVE_FAILED,
    ErrorClass.UNANSWERABLE: _REFUSED,
    ErrorClass.BUDGET: _LEFT_FOR_LATER,
    ErrorClass.PARTNER_DAY_CAP: _LEFT_FOR_LATER,
    ErrorClass.PARTNER_MONTH_CAP: _LEFT_FOR_LATER,
    ErrorClass.BRAKE: _LEFT_FOR_LATER,
    ErrorClass.DEADLINE: _LEFT_FOR_LATER,
    ErrorClass.CLAIMED_ELSEWHERE: _LEFT_FOR_LATER,
    ErrorClass.LEDGER_UNAVAILABLE: _LEFT_FOR_LATER,
    ErrorClass.STOPPED: _LEFT_FOR_LATER,
    ErrorClass.BATCH_PENDING: _LEFT_FOR_LATER,
    ErrorClass.CANARY: _LEFT_FOR_LATER,
    ErrorClass.ABANDONED: Treatment(Retry.NEVER, Outcome.DEFERRED, transient=True, maybe_billed=True),
}


class ModelError(Exception):
    """A call that brought no usable reply, already classified.

    retry_after_seconds is the server's own wish (Retry-After), None when it gave none.
    """

    def __init__(self, error_class: ErrorClass, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.message = message
        self.retry_after_seconds = retry_after_seconds
