"""How many tokens a text will be, without asking anyone.

Belongs here: the estimate and its calibration. Stays out: money (`domain/models/usage.py`) and the rate limiter.

Tokenizers differ: Japanese is 0.7 to 1.0 characters per token, English about 5 characters (the tokenizer of
Claude 4.7 and later makes about 30 % more tokens than the one before). The estimate leans to the high side,
within about a quarter, since an estimate that is too low overdraws a quota or a budget. Whoever sees real
usage multiplies by the ratio observed (`calibrated`).
"""

import json
import math
from dataclasses import dataclass, replace

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.prompts.prompt import Prompt

_TOKENS_PER_WIDE_CHARACTER = 1.25
_CHARACTERS_PER_TOKEN = 4
_BYTES_BEYOND_FIRST = 2
"""A kana or kanji has three bytes in UTF-8, two more than ASCII."""

TOOL_USE_TOKENS = 330
"""The provider's own system text for tool use; published as 313 to 346 tokens for Claude 4."""


def estimate_tokens(text: str) -> int:
    """Tokens of `text`, from its lengths in characters and UTF-8 bytes alone (no loop over characters)."""
    characters = len(text)
    extra_bytes = 0 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) - characters
    wide = extra_bytes / _BYTES_BEYOND_FIRST
    narrow = max(characters - wide, 0.0)
    return math.ceil(wide * _TOKENS_PER_WIDE_CHARACTER + narrow / _CHARACTERS_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class TokenEstimate:
    """Tokens one call is expected to take.

    input_tokens            everything sent: system, user, tool schema
    max_output_tokens       the limit sent along, exact: what the quota reserves, and the worst case
    expected_output_tokens  a typical answer
    """

    input_tokens: int
    max_output_tokens: int
    expected_output_tokens: int

    def calibrated(self, factor: float) -> "TokenEstimate":
        """The estimate times (tokens billed / tokens estimated) seen so far; the output limit stays exact."""
        expected = math.ceil(self.expected_output_tokens * factor)
        return replace(
            self,
            input_tokens=math.ceil(self.input_tokens * factor),
            expected_output_tokens=min(expected, self.max_output_tokens),
        )

    @property
    def expected_usage(self) -> Usage:
        return Usage(self.input_tokens, self.expected_output_tokens)

    @property
    def worst_usage(self) -> Usage:
        """What to reserve money for: the answer runs into its limit."""
        return Usage(self.input_tokens, self.max_output_tokens)


def estimate_prompt(prompt: Prompt, expected_output_tokens: int) -> TokenEstimate:
    """The estimate for one call with this prompt."""
    schema = json.dumps(prompt.tool_schema, separators=(",", ":"), ensure_ascii=False)
    texts = (prompt.system, prompt.user, prompt.tool_description, schema)
    return TokenEstimate(
        input_tokens=TOOL_USE_TOKENS + sum(estimate_tokens(text) for text in texts),
        max_output_tokens=prompt.max_tokens,
        expected_output_tokens=min(expected_output_tokens, prompt.max_tokens),
    )
