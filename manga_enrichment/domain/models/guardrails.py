"""A guardrail of Bedrock's: which one, what it looked at, what that costs.

Belongs here: text units by policy and their prices. Stays out: which one is used (`settings/variables.py`), the wire
format (`aws/bedrock/guarded.py`), what its intervention makes of a call (`pipeline/engine/verdicts.py`).

A text unit is up to 1,000 characters. Each policy of the guardrail counts the question and the reply by itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from manga_enrichment.domain.models.usage import UnpricedUsageError

UNIT_CHARACTERS = 1_000
_CHARACTERS_PER_TOKEN = 4
_UNITS_PER_PRICE = 1_000

Units = Mapping[str, int]
"""Text units by policy, as `[guardrail]` of `models.toml` names them."""


@dataclass(frozen=True, slots=True)
class Guardrail:
    """identifier: id or ARN. prices: micro-dollars per 1,000 text units, by policy; 0 for one that is free."""

    identifier: str
    version: str
    prices: Mapping[str, int]

    def cost_micro_usd(self, units: Units) -> int:
        """Rounded up once per call. Raises UnpricedUsageError for units of a policy without a price."""
        for policy, count in units.items():
            if count and policy not in self.prices:
                raise UnpricedUsageError(f"{count} text units of the guardrail's {policy} have no price")
        return -(-sum(count * self.prices.get(policy, 0) for policy, count in units.items()) // _UNITS_PER_PRICE)

    def estimate_micro_usd(self, question: str, reply_tokens: int) -> int:
        """As if it had all policies that have a price: which it has, nobody tells before the first call."""
        units = _units(len(question)) + _units(reply_tokens * _CHARACTERS_PER_TOKEN)
        return self.cost_micro_usd(dict.fromkeys(self.prices, units))


@dataclass(frozen=True, slots=True)
class Guarding:
    """What a guardrail did about one call. units: None where the answer does not tell.

    kept_back: "question" or "reply", of which its own text stands in place of an answer; "" when neither. is_masked: it
    took single words out of an answer, which counts as one.
    """

    units: Units | None
    kept_back: str = ""
    is_masked: bool = False


def _units(characters: int) -> int:
    return math.ceil(max(characters, 1) / UNIT_CHARACTERS)
