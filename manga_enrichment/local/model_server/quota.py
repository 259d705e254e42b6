"""Requests and tokens per minute, per model id, as the service counts them.

Belongs here: token buckets, reserving up front, settling at the end. Stays out: random throttling (`faults.py`).
A request reserves its input and its whole output limit; when it ends, output counts as often as the model's
burndown says and the rest comes back. What was read from the prompt cache does not count.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.local.model_server.faults import QuotaSettings
from manga_enrichment.local.model_server.protocol.validation import ServiceError

_SECONDS_PER_MINUTE = 60.0


class TokenBucket:
    """A level that refills continuously up to a capacity of burst_seconds worth of its rate.

    Taking more than the capacity works on a full bucket and leaves a debt, otherwise a large request could
    never pass. Times are seconds of one monotonic clock.
    """

    def __init__(self, per_minute: float, burst_seconds: float, now: float) -> None:
        self._rate = per_minute / _SECONDS_PER_MINUTE
        self._capacity = max(self._rate * burst_seconds, 1.0)
        self._level = self._capacity
        self._filled_at = now

    def wait_seconds(self, amount: float, now: float) -> float:
        """Seconds until `amount` can be taken, 0.0 when it can be taken now."""
        self._level = min(self._capacity, self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return max(0.0, (min(amount, self._capacity) - self._level) / self._rate)

    def take(self, amount: float) -> None:
        """Take `amount`; a negative one gives back."""
        self._level = min(self._capacity, self._level - amount)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Tokens held for a running request; None when tokens are not limited."""

    bucket: TokenBucket | None
    tokens: int

    def settle(self, usage: Usage, output_burndown: int) -> None:
        """Replace what was reserved by what was used."""
        if self.bucket is not None:
            used = usage.input_tokens + usage.cache_write_tokens + usage.output_tokens * output_burndown
            self.bucket.take(used - self.tokens)


class Quota:
    """The limits of all models. clock returns seconds and never runs back."""

    def __init__(self, settings: QuotaSettings | None, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._buckets: dict[str, tuple[TokenBucket | None, TokenBucket | None]] = {}

    def reserve(self, spec: ModelSpec, tokens: int) -> Reservation:
        """Let one request of at most `tokens` tokens in. Raises ServiceError (ThrottlingException, Retry-After)."""
        if self._settings is None:
            return Reservation(None, tokens)
        now = self._clock()
        requests, token_bucket = self._buckets_of(spec.model_id, self._settings, now)
        for bucket, amount, what in ((requests, 1, "requests"), (token_bucket, tokens, "tokens")):
            wait_seconds = bucket.wait_seconds(amount, now) if bucket else 0.0
            if wait_seconds > 0.0:
                raise ServiceError(
                    "ThrottlingException",
                    f"Too many {what}, please wait before trying again.",
                    retry_after_seconds=math.ceil(wait_seconds),
                )
        for bucket, amount in ((requests, 1), (token_bucket, tokens)):
            if bucket:
                bucket.take(amount)
        return Reservation(token_bucket, tokens)

    def _buckets_of(
        self, model_id: str, settings: QuotaSettings, now: float
    ) -> tuple[TokenBucket | None, TokenBucket | None]:
        if model_id not in self._buckets:
            requests, tokens = (
                TokenBucket(limit, settings.burst_seconds, now) if limit is not None else None
                for limit in (settings.requests_per_minute, settings.tokens_per_minute)
            )
            self._buckets[model_id] = (requests, tokens)
        return self._buckets[model_id]
