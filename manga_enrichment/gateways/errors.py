"""What a gateway raises when its service is away, or when somebody else was faster.

Belongs here: the errors that every implementation of a protocol raises alike. Stays out: a wrong setting
(`ConfigurationError` in `domain/errors.py`), what a model call may end with (`domain/outcomes/error_classes.py`).
"""


class BatchUnavailableError(Exception):
    """Batch inference takes no job or gives no word for now: too many jobs, throttled, unreachable. Try again later."""


class StoreUnavailableError(Exception):
    """A store on DynamoDB could not be read or written although the gateway retried."""


class QueueUnavailableError(Exception):
    """SQS did not answer although the SDK retried."""


class MetricsUnavailableError(Exception):
    """CloudWatch did not answer, or does not let us: nobody's work may depend on it."""


class NotifierUnavailableError(Exception):
    """SNS did not take the message although the SDK retried; later it may."""


class WriteConflictError(Exception):
    """Another writer replaced the object since it was read."""


class FencedError(Exception):
    """The row belongs to another owner or generation by now: stop, write nothing."""
