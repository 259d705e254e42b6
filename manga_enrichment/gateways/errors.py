"""What a gateway raises when its service is away, or when somebody else was faster.

Belongs here: the errors that every implementation of a protocol raises alike. Stays out: a wrong setting
(`ConfigurationError` in `domain/errors.py`), what a model call may end with (`domain/outcomes/error_classes.py`).
"""

import math


class BatchUnavailableError(Exception):
    """Batch inference takes no job or gives no word for now: too many jobs, throttled, unreachable. Try again later."""


class StoreUnavailableError(Exception):
    """DynamoDB or S3 is away: it could not be read or written although the gateway retried.

    retry_seconds: how long it may be tried again; less than for ever for what is probably a wrong setting, such as
    credentials that ran out and that nobody has renewed.
    """

    def __init__(self, message: str, *, retry_seconds: float = math.inf) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class SpenderClosedError(Exception):
    """Others took a spender for dead and closed it: its reservation is gone, and it can make no other."""


class QueueUnavailableError(Exception):
    """SQS did not answer although the SDK retried."""


class MetricsUnavailableError(Exception):
    """CloudWatch did not answer, or does not let us: nobody's work may depend on it."""


class MetricsForbiddenError(MetricsUnavailableError):
    """We have no right to read metrics."""


class NotifierUnavailableError(Exception):
    """SNS did not take the message although the SDK retried; later it may."""


class WriteConflictError(Exception):
    """Another writer replaced the object since it was read."""


class FencedError(Exception):
    """The row belongs to another owner or generation by now: stop, write nothing."""
