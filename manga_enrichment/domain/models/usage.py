"""Tokens and money: what one call used and what it cost, in integer micro-dollars.

Belongs here: `Usage`, `Price`, the one rounding rule. Stays out: which model has which price
(`specs.py`) and where spend is counted (`pipeline/engine/money/budget.py`).
"""

from dataclasses import dataclass

MICRO_USD_PER_USD = 1_000_000
TOKENS_PER_PRICE_UNIT = 1_000_000


class UnpricedUsageError(ValueError):
    """Usage of a kind the price row has no price for; a price is never guessed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as Bedrock bills them: the four counts do not overlap."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
        )


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars per million tokens; None where the model has no such price."""

    input_micro_usd: int
    output_micro_usd: int
    cache_read_micro_usd: int | None = None
    cache_write_micro_usd: int | None = None
    batch_input_micro_usd: int | None = None
    batch_output_micro_usd: int | None = None
    flex_input_micro_usd: int | None = None
    flex_output_micro_usd: int | None = None
    priority_input_micro_usd: int | None = None
    priority_output_micro_usd: int | None = None

    @property
    def has_batch(self) -> bool:
        return self.batch_input_micro_usd is not None and self.batch_output_micro_usd is not None

    @property
    def tiers(self) -> "dict[str, Price]":
        """Prices on demand of the service tiers beside the default one. What the prompt cache costs in them is on no
        record, so they have no price for it."""
        sold: dict[str, Price] = {}
        pairs = {
            "flex": (self.flex_input_micro_usd, self.flex_output_micro_usd),
            "priority": (self.priority_input_micro_usd, self.priority_output_micro_usd),
        }
        batch = self.batch_input_micro_usd, self.batch_output_micro_usd
        for tier, (input_price, output_price) in pairs.items():
            if input_price is not None and output_price is not None:
                sold[tier] = Price(input_price, output_price, None, None, *batch)
        return sold


def cost_micro_usd(usage: Usage, price: Price, *, batch: bool = False) -> int:
    """Cost of one call, rounded up to a whole micro-dollar once per call.

    Raises UnpricedUsageError when tokens of a kind without a price were used.
    """
    pairs = (
        (usage.input_tokens, price.batch_input_micro_usd if batch else price.input_micro_usd, "input"),
        (usage.output_tokens, price.batch_output_micro_usd if batch else price.output_micro_usd, "output"),
        (usage.cache_read_tokens, price.cache_read_micro_usd, "cache read"),
        (usage.cache_write_tokens, price.cache_write_micro_usd, "cache write"),
    )
    total = 0
    for tokens, price_per_unit, kind in pairs:
        if tokens and price_per_unit is None:
            raise UnpricedUsageError(f"{tokens} {kind} tokens were used but the model has no {kind} price")
        total += tokens * (price_per_unit or 0)
    return -(-total // TOKENS_PER_PRICE_UNIT)


def usd(micro_usd: int) -> float:
    """Micro-dollars as dollars, for people and metadata; never for sums."""
    return micro_usd / MICRO_USD_PER_USD


def micro_usd_from_usd(amount: float) -> int:
    return round(amount * MICRO_USD_PER_USD)
