"""The fault switches, and which request gets which fault.

Belongs here: the settings of PUT /_control/faults and the draw. Stays out: what a fault does (`calls.py`).
A draw depends on the seed, the prompt and how often that prompt was seen, so concurrency changes nothing.
"""

import hashlib
import math
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from statistics import NormalDist
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from manga_enrichment.local.model_server.guardrails import GuardrailSwitches

Probability = Annotated[float, Field(ge=0, le=1)]
_CERTAIN = 1 + 1e-9


class FaultSettingsError(ValueError):
    """The settings cannot be used; the message names the key and what is expected."""


class FaultKind(StrEnum):
    """What happens to a request. All but throttled and error are billed."""

    NONE = "none"
    THROTTLED = "throttled"
    ERROR = "error"
    HANG = "hang"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    REFUSAL = "refusal"
    CONTENT_FILTERED = "content_filtered"
    INVALID_ANSWER = "invalid_answer"
    WRAPPED = "wrapped"
    LOST_ANSWER = "lost_answer"


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Lognormal(_Closed):
    """A latency whose logarithm is normally distributed."""

    median_ms: float = Field(gt=0)
    sigma: float = Field(ge=0)


class Latency(_Closed):
    """How long an answer takes: exactly fixed_ms, or drawn."""

    fixed_ms: float | None = Field(default=None, ge=0)
    lognormal: Lognormal | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.fixed_ms is None) == (self.lognormal is None):
            raise ValueError("set exactly one of fixed_ms and lognormal")
        return self


class QuotaSettings(_Closed):
    """Limits per model id; None is no limit. Buckets hold burst_seconds worth of their rate."""

    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    burst_seconds: float = Field(default=1.0, gt=0)


class BatchSwitches(_Closed):
    """Batch jobs. step_seconds: time in each state before the work. The probabilities are per record.

    record_error_probability  the record's line has an error instead of an answer; not billed
    missing_probability       the record has no line although it is billed
    ends_as                   a job that fails or expires has no output; a partially completed one half of it
    """

    step_seconds: float = Field(default=0.0, ge=0)
    record_error_probability: Probability = 0.0
    missing_probability: Probability = 0.0
    ends_as: Literal["Completed", "PartiallyCompleted", "Failed", "Expired"] = "Completed"


class FaultSettings(_Closed):
    """Everything PUT /_control/faults takes. A missing key is its default: a PUT replaces all settings.

    hang_limit_seconds  a hung request ends with ModelTimeoutException if the client waits that long
    refuses_all         a ValidationException with these words for every call, as a setting of the account brings
    repairs_fail        whether invalid_answer_probability also applies to repair turns
    """

    latency: Latency | None = None
    quota: QuotaSettings | None = None
    throttle_probability: Probability = 0.0
    error_probability: Probability = 0.0
    hang_probability: Probability = 0.0
    malformed_probability: Probability = 0.0
    truncated_probability: Probability = 0.0
    empty_probability: Probability = 0.0
    refusal_probability: Probability = 0.0
    content_filtered_probability: Probability = 0.0
    invalid_answer_probability: Probability = 0.0
    wrapped_probability: Probability = 0.0
    lost_answer_probability: Probability = 0.0
    refuses_all: str = ""
    repairs_fail: bool = False
    hang_limit_seconds: float = Field(default=300.0, gt=0)
    seed: int = 0
    batch: BatchSwitches = BatchSwitches()
    guardrail: GuardrailSwitches = GuardrailSwitches()

    @model_validator(mode="after")
    def _at_most_one_fault_each(self) -> Self:
        if sum(probability for _, probability in self.probabilities()) > _CERTAIN:
            raise ValueError("the probabilities must not add up to more than 1: a request gets one fault")
        return self

    def probabilities(self) -> list[tuple[FaultKind, float]]:
        """Probability of each fault, in the order of the draw."""
        return [
            (FaultKind.THROTTLED, self.throttle_probability),
            (FaultKind.ERROR, self.error_probability),
            (FaultKind.HANG, self.hang_probability),
            (FaultKind.MALFORMED, self.malformed_probability),
            (FaultKind.TRUNCATED, self.truncated_probability),
            (FaultKind.EMPTY, self.empty_probability),
            (FaultKind.REFUSAL, self.refusal_probability),
            (FaultKind.CONTENT_FILTERED, self.content_filtered_probability),
            (FaultKind.INVALID_ANSWER, self.invalid_answer_probability),
            (FaultKind.WRAPPED, self.wrapped_probability),
            (FaultKind.LOST_ANSWER, self.lost_answer_probability),
        ]


def parse_fault_settings(raw: bytes) -> FaultSettings:
    """Settings from a JSON body. Raises FaultSettingsError."""
    try:
        return FaultSettings.model_validate_json(raw)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'faults'}: {problem['msg']}" for problem in error.errors()
        )
        raise FaultSettingsError(f"{problems}. Known keys: {', '.join(FaultSettings.model_fields)}") from error


@dataclass(frozen=True, slots=True)
class Fault:
    """One draw: the fault, how long the answer takes, and a coin for faults that come in two forms."""

    kind: FaultKind = FaultKind.NONE
    latency_seconds: float = 0.0
    heads: bool = False


class FaultPlan:
    """Draws faults for requests under one setting of the switches."""

    def __init__(self, settings: FaultSettings) -> None:
        self.settings = settings
        fixed_ms = settings.latency.fixed_ms if settings.latency else None
        self._lognormal = settings.latency.lognormal if settings.latency else None
        self._fixed_seconds = (fixed_ms or 0.0) / 1000
        kinds, probabilities = zip(*settings.probabilities(), strict=True)
        self._steps = list(zip(accumulate(probabilities), kinds, strict=True))
        self._is_random = any(probabilities) or self._lognormal is not None
        self._seed = str(settings.seed).encode()
        self._seen: dict[bytes, int] = defaultdict(int)

    def draw(self, digest: bytes) -> Fault:
        """The fault of the next request with this prompt digest."""
        if not self._is_random:
            return Fault(latency_seconds=self._fixed_seconds)
        key = digest[:8]
        occurrence = self._seen[key] = self._seen[key] + 1
        noise = hashlib.blake2b(digest + occurrence.to_bytes(8, "big"), key=self._seed[:64], digest_size=16).digest()
        which = int.from_bytes(noise[:7], "big") / 2**56
        kind = next((kind for limit, kind in self._steps if which < limit), FaultKind.NONE)
        return Fault(kind, self._latency_seconds(noise[7:14]), heads=bool(noise[14] & 1))

    def _latency_seconds(self, noise: bytes) -> float:
        if self._lognormal is None:
            return self._fixed_seconds
        uniform = (int.from_bytes(noise, "big") + 0.5) / 2**56
        median_seconds = self._lognormal.median_ms / 1000
        return median_seconds * math.exp(self._lognormal.sigma * NormalDist().inv_cdf(uniform))
