"""Which class of errors is worth asking a whole analysis again, how often, and after how long.

Belongs here: the one table of rules, whoever asks. Stays out: retries of single calls (`call_loop.py`), who waits and
tries (`defs/shared/policies.py` for ops).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport

UNANSWERED_SHARE = 0.2
"""Of the titles asked; below that the rest is left to the next run rather than holding up this one."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """tries includes the first one; the wait before try n + 1 is first_wait_seconds * factor ** (n - 1), jittered."""

    tries: int
    first_wait_seconds: float
    factor: float

    def wait_seconds(self, retry_number: int, jitter: float) -> float:
        """jitter is uniform in [0, 1) and moves the wait by up to a quarter either way."""
        return self.first_wait_seconds * self.factor**retry_number * (0.75 + jitter / 2)


THROTTLING = RetryRule(tries=5, first_wait_seconds=5, factor=2)
MODEL_TIMEOUT = RetryRule(tries=3, first_wait_seconds=10, factor=1.5)

RULES: Mapping[ErrorClass, RetryRule] = {
    ErrorClass.THROTTLED: THROTTLING,
    ErrorClass.MODEL_NOT_READY: THROTTLING,
    ErrorClass.SERVICE_UNAVAILABLE: THROTTLING,
    ErrorClass.CONNECTION: THROTTLING,
    ErrorClass.MODEL_TIMEOUT: MODEL_TIMEOUT,
    ErrorClass.MODEL_ERROR: MODEL_TIMEOUT,
    ErrorClass.READ_TIMEOUT: MODEL_TIMEOUT,
    ErrorClass.EMPTY_ANSWER: MODEL_TIMEOUT,
    ErrorClass.TRUNCATED_ANSWER: MODEL_TIMEOUT,
}


def retry_rule(report: InvokeReport) -> RetryRule | None:
    """The rule for trying the op again, None when it is done as well as it can be now."""
    unanswered = {ErrorClass(name): count for name, count in report.error_classes.items() if ErrorClass(name) in RULES}
    if sum(unanswered.values()) <= report.titles * UNANSWERED_SHARE:
        return None
    return RULES[max(unanswered, key=lambda name: unanswered[name])]
