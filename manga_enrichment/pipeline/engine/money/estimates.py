"""What one call will take, before it is made.

Belongs here: tokens and money of a prompt, with the part of it that prompt caching makes cheap. Stays out: the
arithmetic of tokens (`domain/prompts/tokens.py`) and of money (`domain/models/usage.py`).
"""

import json
import math
from dataclasses import dataclass, replace
from functools import lru_cache

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.prompts.prompt import Prompt
from manga_enrichment.domain.prompts.prompt_tokens import TOOL_USE_TOKENS
from manga_enrichment.domain.prompts.tokens import estimate_tokens
from manga_enrichment.gateways.model import Repair

ASSUMED_LATENCY_MS = 3_000
"""Of one call, until a run has measured it."""

REPAIR_FRAME_TOKENS = 60
"""The sentence around a repair's problems and the frame of its two messages."""


@dataclass(frozen=True, slots=True)
class CallEstimate:
    """Tokens of one call.

    prefix_tokens    system text and tool, the same for every title: read from the prompt cache where that applies
    prefix_written   the first call: the cache does not hold the prefix yet, so this call pays for writing it
    user_tokens      what is said about this title
    output_tokens    a typical answer
    max_tokens       the limit sent along
    uncalibrated_input_tokens  what the rule of thumb says, to learn the factor from
    guardrail_micro_usd  what a guardrail takes beside the tokens
    """

    prefix_tokens: int
    user_tokens: int
    output_tokens: int
    max_tokens: int
    prefix_cached: bool
    uncalibrated_input_tokens: int = 0
    prefix_written: bool = False
    guardrail_micro_usd: int = 0

    def writing_prefix(self) -> "CallEstimate":
        """The same call before the cache holds its prefix."""
        return replace(self, prefix_written=True) if self.prefix_cached else self

    def as_one_of_many(self, calibration: Calibration) -> "CallEstimate":
        """The same call by the mean of such calls, for sums: not what this one may take, but what all take together."""
        if calibration.mean_input_factor is None or calibration.mean_output_tokens is None:
            return self
        share = calibration.mean_input_factor / calibration.input_factor
        return replace(
            self,
            prefix_tokens=math.ceil(self.prefix_tokens * share),
            user_tokens=math.ceil(self.user_tokens * share),
            output_tokens=min(self.output_tokens, calibration.mean_output_tokens),
        )

    @property
    def input_tokens(self) -> int:
        return self.prefix_tokens + self.user_tokens

    @property
    def quota_tokens(self) -> int:
        """What Bedrock takes from tokens/min when the call starts; cache reads do not count."""
        is_read = self.prefix_cached and not self.prefix_written
        return self.user_tokens + (0 if is_read else self.prefix_tokens) + self.max_tokens

    def cost_micro_usd(self, model: ModelSpec) -> int:
        return self.tokens_micro_usd(model) + self.guardrail_micro_usd

    def tokens_micro_usd(self, model: ModelSpec) -> int:
        return cost_micro_usd(self.usage, model.price)

    @property
    def usage(self) -> Usage:
        if self.prefix_written:
            return Usage(self.user_tokens, self.output_tokens, cache_write_tokens=self.prefix_tokens)
        if self.prefix_cached:
            return Usage(self.user_tokens, self.output_tokens, cache_read_tokens=self.prefix_tokens)
        return Usage(self.input_tokens, self.output_tokens)


def estimate_call(
    analysis: AnalysisType, model: ModelSpec, prompt: Prompt, calibration: Calibration | None = None
) -> CallEstimate:
    """calibration: what earlier calls of this analysis and model were billed; None falls back on rules of thumb."""
    factor = calibration.input_factor if calibration else 1.0
    output_tokens = calibration.output_tokens if calibration else analysis.expected_output_tokens
    prefix_thumb = prefix_tokens(prompt.system, prompt.tool_description, _schema_text(analysis))
    user_thumb = estimate_tokens(prompt.user)
    prefix = math.ceil(prefix_thumb * factor)
    return CallEstimate(
        prefix_tokens=prefix,
        user_tokens=math.ceil(user_thumb * factor),
        output_tokens=min(prompt.max_tokens, output_tokens),
        max_tokens=prompt.max_tokens,
        prefix_cached=caches_prefix(model, prefix),
        uncalibrated_input_tokens=prefix_thumb + user_thumb,
    )


def estimate_attempt(estimate: CallEstimate, max_tokens: int, repair: Repair | None) -> CallEstimate:
    """One attempt of a call: a repair is longer, and an answer that hit the limit will be longer than that."""
    if max_tokens > estimate.max_tokens:
        estimate = replace(estimate, output_tokens=estimate.max_tokens, max_tokens=max_tokens)
    if repair is not None:
        shown = json.dumps(dict(repair.answer), ensure_ascii=False) + "\n".join(repair.problems)
        added = REPAIR_FRAME_TOKENS + estimate_tokens(shown)
        estimate = replace(estimate, user_tokens=estimate.user_tokens + added)
    return estimate


def caches_prefix(model: ModelSpec, tokens: int) -> bool:
    """Whether a prefix of this length reaches the model's minimum for prompt caching."""
    return model.cache_minimum_tokens is not None and tokens >= model.cache_minimum_tokens


@lru_cache(maxsize=256)
def prefix_tokens(system: str, tool_description: str, schema_text: str) -> int:
    return TOOL_USE_TOKENS + sum(estimate_tokens(text) for text in (system, tool_description, schema_text))


@lru_cache(maxsize=256)
def _schema_text(analysis: AnalysisType) -> str:
    return json.dumps(analysis.output_schema, separators=(",", ":"), ensure_ascii=False)
