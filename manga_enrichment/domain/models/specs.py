"""Which models we know: ids, prices, limits, capabilities, end of life, and the aliases people use.

Belongs here: reading the packaged `models.toml` and turning an alias or an id into one `ModelSpec`.
Stays out: what a call costs (`usage.py`), the environment (`settings.py` reads MANGA_MODEL_ALIASES),
the wire format that the capabilities decide about (`aws/bedrock/converse.py`).

The rows are data, not code: a new model is one more table in `models.toml`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.usage import Price

ALIASES_SETTING = "MANGA_MODEL_ALIASES"
MODELS_FILE = "models.toml"


class UnknownModelError(ConfigurationError):
    """An alias or model id that no row knows."""


class MissingPriceError(ConfigurationError):
    """A model row without a price for what its calls use: nothing may be called at a guessed price."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model as Bedrock sells it under one id; an inference profile is a row of its own.

    model_id                        base id or inference profile, as sent to Bedrock
    price                           micro-dollars per million tokens
    max_input_tokens                context window
    max_output_tokens               largest `maxTokens` the model accepts
    takes_temperature               False: sending a sampling parameter is a ValidationException
    takes_forced_tool               False: toolChoice must be auto and the prompt has to ask for the tool
    thinking_off                    value of `thinking.type` that stops a model from thinking first, to be
                                    sent with every call; None when there is nothing to switch off
    thinking_tokens                 room to add to an answer's `maxTokens` for a model that always thinks
    cache_minimum_tokens            shortest prefix that prompt caching accepts; None without caching
    output_burndown                 what one output token takes from the tokens-per-minute quota, in tokens
    price_holds_up_to_input_tokens  longest prompt the price is for; a longer one is sold at another price
    end_of_life                     first day without the model, None when no date is announced
    """

    model_id: str
    price: Price
    max_input_tokens: int
    max_output_tokens: int
    price_holds_up_to_input_tokens: int
    takes_temperature: bool = True
    takes_forced_tool: bool = True
    thinking_off: str | None = None
    thinking_tokens: int = 0
    cache_minimum_tokens: int | None = None
    output_burndown: int = 1
    end_of_life: date | None = None

    def ends_within(self, days: int, today: date) -> bool:
        """Whether the model is gone, or will be, `days` days from `today`."""
        return self.end_of_life is not None and self.end_of_life <= today + timedelta(days=days)


@dataclass(frozen=True, slots=True)
class ModelCatalog:
    """All known models and the names for them. guardrail_prices: see `guardrails.py`."""

    models: Mapping[str, ModelSpec]
    aliases: Mapping[str, str]
    guardrail_prices: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def resolve(self, alias_or_id: str) -> ModelSpec:
        """The model behind an alias, or with this very id. Raises UnknownModelError."""
        model_id = self.aliases.get(alias_or_id, alias_or_id)
        if model_id in self.models:
            return self.models[model_id]
        what = f"model {alias_or_id!r}" if model_id == alias_or_id else f"{model_id!r} ({alias_or_id!r})"
        raise UnknownModelError(
            f"Unknown {what}: the known aliases are {', '.join(sorted(self.aliases))}, "
            f"and {MODELS_FILE} lists the known model ids; fix the alias or set it in {ALIASES_SETTING}."
        )

    def by_id(self, model_id: str) -> ModelSpec:
        """The model with this id; an alias is not accepted. Raises UnknownModelError."""
        if model_id in self.models:
            return self.models[model_id]
        raise UnknownModelError(
            f"Unknown model id {model_id!r}: {MODELS_FILE} lists the known ones; "
            f"add a row with its price, or name a known id in {ALIASES_SETTING}."
        )


def load_models(overrides: Mapping[str, str] = MappingProxyType({})) -> ModelCatalog:
    """The packaged models, with `overrides` (alias -> model id, from MANGA_MODEL_ALIASES) on top.

    Raises UnknownModelError when an override names a model without a row: a wrong setting should fail
    at the start, not when its alias is first used.
    """
    packaged = _packaged_catalog()
    catalog = replace(packaged, aliases=MappingProxyType({**packaged.aliases, **overrides}))
    for alias in overrides:
        catalog.resolve(alias)
    return catalog


def parse_models(text: str) -> ModelCatalog:
    """A catalog from TOML text: `[aliases]`, `[guardrail]` where there is one, and one `[[model]]` table per row."""
    document = tomllib.loads(text)
    specs = [_spec(row) for row in document["model"]]
    return ModelCatalog(
        models=MappingProxyType({spec.model_id: spec for spec in specs}),
        aliases=MappingProxyType(dict(document["aliases"])),
        guardrail_prices=MappingProxyType(dict(document.get("guardrail", {}))),
    )


@cache
def _packaged_catalog() -> ModelCatalog:
    return parse_models(files("manga_enrichment.domain.models").joinpath(MODELS_FILE).read_text(encoding="utf-8"))


def _check_prices(row: Mapping[str, Any]) -> None:
    """Raises MissingPriceError where a call of this model could not be estimated."""
    pairs = [("input", "output")] + [("cache_read", "cache_write")] * ("cache_minimum_tokens" in row)
    for pair in pairs:
        if not row.keys() >= set(pair):
            raise MissingPriceError(
                f"Model {row['id']!r} in {MODELS_FILE} has no {' or '.join(pair)} price: "
                "add both in micro-dollars per million tokens, a price is never guessed."
            )


def _spec(row: Mapping[str, Any]) -> ModelSpec:
    _check_prices(row)
    max_input_tokens: int = row["max_input_tokens"]
    return ModelSpec(
        model_id=row["id"],
        price=Price(
            input_micro_usd=row["input"],
            output_micro_usd=row["output"],
            cache_read_micro_usd=row.get("cache_read"),
            cache_write_micro_usd=row.get("cache_write"),
            batch_input_micro_usd=row.get("batch_input"),
            batch_output_micro_usd=row.get("batch_output"),
        ),
        max_input_tokens=max_input_tokens,
        max_output_tokens=row["max_output_tokens"],
        price_holds_up_to_input_tokens=row.get("price_holds_up_to_input_tokens", max_input_tokens),
        takes_temperature=row.get("takes_temperature", True),
        takes_forced_tool=row.get("takes_forced_tool", True),
        thinking_off=row.get("thinking_off"),
        thinking_tokens=row.get("thinking_tokens", 0),
        cache_minimum_tokens=row.get("cache_minimum_tokens"),
        output_burndown=row.get("output_burndown", 1),
        end_of_life=row.get("end_of_life"),
    )
