"""What Bedrock says when it refuses a request, as far as it is known, and whose fault each is.

Belongs here: phrases of its messages, each with its error class and what mends it, and when two messages are the same.
Stays out: names and status codes (`aws/bedrock/converse.py`), messages that nobody knows
(`pipeline/engine/faults/suspicion.py`). Bedrock says most of these with the same ValidationException, so that only the
words tell a setting of the account, which every title would meet, from a fault of one title.
"""

import re
from dataclasses import dataclass

from manga_enrichment.domain.outcomes.error_classes import ErrorClass

_QUOTED = 150  # an attempt keeps 300 characters, and what mends it must be among them
_CORRECT_ROW = "correct the model's row (MANGA_MODELS_FILE)"


@dataclass(frozen=True, slots=True)
class KnownFault:
    """phrase: in lower case. mend: what an operator does about it; "" for a title's own fault."""

    phrase: str
    error_class: ErrorClass
    mend: str = ""

    def explained(self, message: str) -> str:
        return f"{message[:_QUOTED]} ({self.mend})" if self.mend else message


KNOWN_FAULTS = (
    KnownFault("service tier", ErrorClass.TIER_REFUSED),
    KnownFault("servicetier", ErrorClass.TIER_REFUSED),
    KnownFault(
        "use case details have not been submitted", ErrorClass.ACCESS_DENIED, "submit them in Bedrock's console"
    ),
    KnownFault("don't have access to the model", ErrorClass.ACCESS_DENIED, "request access to it in Bedrock's console"),
    KnownFault("operation not allowed", ErrorClass.ACCESS_DENIED),
    KnownFault("unsupported countries, regions", ErrorClass.ACCOUNT_REFUSED, "call it from a place that it is sold in"),
    KnownFault(
        "data retention mode",
        ErrorClass.ACCOUNT_REFUSED,
        "choose one that the model is served under in the account's settings of Bedrock, or another model",
    ),
    KnownFault("model identifier is invalid", ErrorClass.MODEL_NOT_FOUND),
    KnownFault("on-demand throughput", ErrorClass.MODEL_NOT_FOUND, "name an inference profile of it"),
    KnownFault("end of its life", ErrorClass.MODEL_NOT_FOUND, "name a model that has not ended"),
    KnownFault(
        "bedrock:applyguardrail", ErrorClass.ACCESS_DENIED, "allow bedrock:ApplyGuardrail on the guardrail for the role"
    ),
    KnownFault(
        "guardrail identifier",
        ErrorClass.ACCOUNT_REFUSED,
        "correct MANGA_GUARDRAIL_ID, MANGA_GUARDRAIL_VERSION or the region",
    ),
    KnownFault("is deprecated for this model", ErrorClass.ACCOUNT_REFUSED, _CORRECT_ROW),
    KnownFault("cannot both be specified for this model", ErrorClass.ACCOUNT_REFUSED, _CORRECT_ROW),
    KnownFault("model doesn't support", ErrorClass.ACCOUNT_REFUSED, _CORRECT_ROW),
    KnownFault("model does not support", ErrorClass.ACCOUNT_REFUSED, _CORRECT_ROW),
    KnownFault("extraneous key", ErrorClass.ACCOUNT_REFUSED, _CORRECT_ROW),
    KnownFault("exceeds the model limit", ErrorClass.ACCOUNT_REFUSED, _CORRECT_ROW),
    KnownFault("too many tokens per day", ErrorClass.DAILY_QUOTA),
    KnownFault("prompt is too long", ErrorClass.INVALID_REQUEST),
    KnownFault("input is too long", ErrorClass.INVALID_REQUEST),
    KnownFault("text field is blank", ErrorClass.INVALID_REQUEST),
)


def known_fault(message: str) -> KnownFault | None:
    said = message.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return next((fault for fault in KNOWN_FAULTS if fault.phrase in said), None)


def folded(message: str) -> str:
    """The same for messages that differ in numbers, ids and places of the request alone."""
    return re.sub(r"\S*\d\S*", "#", message.lower())
