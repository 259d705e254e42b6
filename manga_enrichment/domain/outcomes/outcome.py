"""What can become of a title in one analysis.

Belongs here: the kinds. Stays out: why (`error_classes.py`).
"""

from enum import StrEnum


class Outcome(StrEnum):
    """insufficient_input: too little text to ask about; deferred: a later run asks; failed: it was asked in vain;
    cancelled: the request that wanted it was, before anything was asked."""

    SUCCEEDED = "succeeded"
    INSUFFICIENT_INPUT = "insufficient_input"
    DEFERRED = "deferred"
    FAILED = "failed"
    CANCELLED = "cancelled"
