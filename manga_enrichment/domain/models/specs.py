"""Which models there are: ids, prices, limits, capabilities, end of life, and the aliases people use.

Belongs here: one model as a `ModelSpec`, all of them, and turning an alias or an id into one.
Stays out: the files they are read from (`rows.py`, `loading.py`), what a call costs (`usage.py`), the wire format that
the capabilities decide about (`aws/bedrock/converse.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.usage import Price

ALIASES_SETTING = "MANGA_MODEL_ALIASES"
NIGHT_MODELS = "night"
"""The lane of all that fills tables: nights, backfills, runs by hand. Were these of several models, each would find the
others' answers outdated, and ask for the whole catalog anew."""
BACKFILL_LANE = "backfill"
OTHER_ANALYSES = "*"
DEFAULT_TIER = "default"
FILE_SETTING = "MANGA_MODELS_FILE"
MODELS_FILE = "models.toml"
PROFILE_PREFIXES = frozenset({"us", "eu", "jp", "apac", "au", "global", "us-gov", "ca", "sa"})
"""Of inference profiles: where their requests may be answered."""


class UnknownModelError(ConfigurationError):
    """An alias or model id that no row knows."""


class AnswersBy(StrEnum):
    """How a model is made to answer in a schema: which of these it takes is a fact about it.

    forced_tool: toolChoice names the tool (Claude 3 and later, Nova). any_tool: toolChoice says that some tool be
    called, and there is one. auto_tool: it may call the tool, and the prompt asks for it. text_schema: text that
    `outputConfig.textFormat` holds to the schema. json_text: text, and the prompt quotes the schema.
    """

    FORCED_TOOL = "forced_tool"
    ANY_TOOL = "any_tool"
    AUTO_TOOL = "auto_tool"
    TEXT_SCHEMA = "text_schema"
    JSON_TEXT = "json_text"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model as Bedrock sells it under one id; an inference profile is a row of its own.

    model_id                        base id or inference profile, as sent to Bedrock
    price                           micro-dollars per million tokens
    max_input_tokens                context window
    max_output_tokens               largest `maxTokens` the model accepts
    takes_temperature               False: sending a sampling parameter is a ValidationException
    answers_by                      how it is made to answer in a schema
    strict_tool                     it holds its tool's input to the schema, if the tool asks for that (`strict`)
    thinking_off                    value of `thinking.type` that stops a model from thinking first, to be
                                    sent with every call; None when there is nothing to switch off
    thinking_tokens                 room to add to an answer's `maxTokens` for a model that always thinks
    cache_minimum_tokens            shortest prefix that prompt caching accepts; None without caching
    output_burndown                 what one output token takes from the tokens-per-minute quota, in tokens
    price_holds_up_to_input_tokens  longest prompt the price is for; a longer one is sold at another price
    end_of_life                     first day without the model, None when no date is announced
    service_tier                    Bedrock's, that calls ask for and `price` is of; "" for the default one
    default_price                   of that, where `price` is another's
    source                          where its prices and limits were read, and when
    """

    model_id: str
    price: Price
    max_input_tokens: int
    max_output_tokens: int
    price_holds_up_to_input_tokens: int
    takes_temperature: bool = True
    answers_by: AnswersBy = AnswersBy.FORCED_TOOL
    strict_tool: bool = False
    thinking_off: str | None = None
    thinking_tokens: int = 0
    cache_minimum_tokens: int | None = None
    output_burndown: int = 1
    end_of_life: date | None = None
    source: str = ""
    service_tier: str = ""
    default_price: Price | None = None

    def in_tier(self, tier: str) -> "ModelSpec":
        """The same model in a service tier; as it is where its row has no price for that. What the prompt cache costs
        in a tier is on no record, so it is not used there."""
        price = self.price.tiers.get(tier)
        if price is None:
            return self
        return replace(self, price=price, default_price=self.price, service_tier=tier, cache_minimum_tokens=None)

    def served_in(self, tier: str) -> "ModelSpec":
        """At the price of the tier that a reply says it was served in; "" where it says nothing."""
        return self if tier in ("", self.service_tier) else self.in_default_tier()

    def in_default_tier(self) -> "ModelSpec":
        """Where Bedrock does not serve the tier that was asked for."""
        return self if self.default_price is None else replace(self, price=self.default_price, service_tier="")

    @property
    def tier(self) -> str:
        """As Bedrock calls it, also the default one."""
        return self.service_tier or DEFAULT_TIER

    @property
    def takes_forced_tool(self) -> bool:
        return self.answers_by is AnswersBy.FORCED_TOOL

    @property
    def answers_by_tool(self) -> bool:
        return self.answers_by in {AnswersBy.FORCED_TOOL, AnswersBy.ANY_TOOL, AnswersBy.AUTO_TOOL}

    @property
    def always_thinks(self) -> bool:
        """Its thoughts would have to go back with an answer that is to be repaired, and nobody keeps them."""
        return self.thinking_tokens > 0

    @property
    def family(self) -> str:
        """Of the vendor, as Bedrock's ids begin."""
        return base_id(self.model_id).partition(".")[0]

    def ends_within(self, days: int, today: date) -> bool:
        """Whether the model is gone, or will be, `days` days from `today`."""
        return self.end_of_life is not None and self.end_of_life <= today + timedelta(days=days)


@dataclass(frozen=True, slots=True)
class ModelCatalog:
    """All known models and the names for them. guardrail_prices: see `guardrails.py`.

    by_lane: lane -> analysis, or `*` for all others -> alias, where a lane has a model of its own. tiers: lane -> tier.
    """

    models: Mapping[str, ModelSpec]
    aliases: Mapping[str, str]
    guardrail_prices: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    by_lane: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    tiers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def alias_for(self, analysis: str, default: str, lane: str = NIGHT_MODELS) -> str:
        """What an analysis is asked of in a lane. default: the analysis's own alias."""
        chosen = self.by_lane.get(NIGHT_MODELS if lane == BACKFILL_LANE else lane, {})
        return chosen.get(analysis) or chosen.get(OTHER_ANALYSES) or default

    def asked_for(self, analysis: str, default: str, lane: str = NIGHT_MODELS) -> ModelSpec:
        """The model behind that alias, in the lane's tier. Raises UnknownModelError."""
        return self.resolve_in(lane, self.alias_for(analysis, default, lane))

    def resolve_in(self, lane: str, alias_or_id: str) -> ModelSpec:
        """As `resolve`, in the service tier of a lane. A backfill has the night's, unless it has its own."""
        tier = self.tiers.get(lane, self.tiers.get(NIGHT_MODELS, "") if lane == BACKFILL_LANE else "")
        return self.resolve(alias_or_id).in_tier(tier)

    def resolve(self, alias_or_id: str) -> ModelSpec:
        """The model behind an alias, or with this very id. Raises UnknownModelError."""
        model_id = self.aliases.get(alias_or_id, alias_or_id)
        if model_id in self.models:
            return self.models[model_id]
        what = f"model {alias_or_id!r}" if model_id == alias_or_id else f"{model_id!r} ({alias_or_id!r})"
        raise UnknownModelError(
            f"Unknown {what}: the known aliases are {', '.join(sorted(self.aliases))}, "
            f"and `manga-enrichment models list` the known model ids; {self._advice(model_id)}"
        )

    def by_id(self, model_id: str) -> ModelSpec:
        """The model with this id; an alias is not accepted. Raises UnknownModelError."""
        if model_id in self.models:
            return self.models[model_id]
        raise UnknownModelError(
            f"Unknown model id {model_id!r}: `manga-enrichment models list` says those we know; "
            f"{self._advice(model_id)}"
        )

    def _advice(self, model_id: str) -> str:
        if base_id(model_id) in self.models and base_id(model_id) != model_id:
            return f"it is a profile of a known model: {FILE_SETTING} needs a row with its own price, no more."
        return f"fix the alias, set it in {ALIASES_SETTING}, or add a row with its price to {FILE_SETTING}."


def base_id(model_id: str) -> str:
    """The id of the model behind an inference profile; the same id for a model."""
    prefix, _, rest = model_id.partition(".")
    return rest if prefix in PROFILE_PREFIXES and rest else model_id
