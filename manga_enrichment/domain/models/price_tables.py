"""Rows made from price tables that people have: nothing is guessed, what a table does not say is left out.

Belongs here: litellm's table, a JSON file in its wheel, and a row as TOML text.
Stays out: what a row may hold (`rows.py`), files and printing (`cli/models.py`).

How a model answers follows from what the table says of it and from Converse's own word (botocore's service model, in
2026): a tool can be named for Claude and Nova alone; other models that take a tool choice take `any`.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.rows import PRICE_PAIRS, PRICES
from manga_enrichment.domain.models.specs import AnswersBy, base_id

_PRICE_KEYS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "batch_input": "input_cost_per_token_batches",
    "batch_output": "output_cost_per_token_batches",
    "flex_input": "input_cost_per_token_flex",
    "flex_output": "output_cost_per_token_flex",
    "priority_input": "input_cost_per_token_priority",
    "priority_output": "output_cost_per_token_priority",
}
_NAMES_ITS_TOOL = ("anthropic.", "amazon.nova")
_ALWAYS_THINK = ("openai.gpt-oss", "deepseek.r1", "mistral.magistral")
_AWS_LIST = re.compile(r"https://pricing\S*/AmazonBedrock/current/(?:([a-z0-9-]+)/)?index\.json")
_AWS_LIST_OF = r"AWS price list \1"
ROOM_TO_THINK_TOKENS = 4_096  # what is added to an answer's limit; ours, no fact about a model


def row_from_litellm(
    table: Mapping[str, Any], model_id: str, source: str, *, is_profile_of_known: bool = False
) -> dict[str, Any]:
    """The row of a model. source: which table, of what version, and when it was read.

    is_profile_of_known: its base model has a row, so that prices are enough. Raises ConfigurationError.
    """
    entry = table.get(model_id)
    if not isinstance(entry, Mapping) or "input_cost_per_token" not in entry or "output_cost_per_token" not in entry:
        near = [each for each in sorted(table) if model_id.rpartition(".")[2].split("-")[0] in each and "/" not in each]
        raise ConfigurationError(
            f"The price table has no prices of {model_id!r}; near it are {', '.join(near[:8]) or 'none'}"
        )
    row: dict[str, Any] = {"id": model_id, **_prices(entry)}
    if not is_profile_of_known:
        row |= _abilities(entry, model_id)
    if "deprecation_date" in entry:
        row["end_of_life"] = date.fromisoformat(entry["deprecation_date"])
    row["source"] = f"{_AWS_LIST.sub(_AWS_LIST_OF, entry['source'])}, by {source}" if entry.get("source") else source
    return row


def _prices(entry: Mapping[str, Any]) -> dict[str, int]:
    """Micro-dollars per million tokens. Pairs that are half there are no prices."""
    found = {name: round(entry[key] * 1e12) for name, key in _PRICE_KEYS.items() if entry.get(key) is not None}
    for pair in PRICE_PAIRS:
        if not found.keys() >= set(pair):
            found = {name: price for name, price in found.items() if name not in pair}
    return {name: found[name] for name in PRICES if name in found}


def _abilities(entry: Mapping[str, Any], model_id: str) -> dict[str, Any]:
    try:
        row: dict[str, Any] = {name: int(entry[name]) for name in ("max_input_tokens", "max_output_tokens")}
    except (KeyError, TypeError, ValueError):
        raise ConfigurationError(f"The price table says no limits of {model_id!r}: write its row by hand") from None
    row["answers_by"] = _answers_by(entry, base_id(model_id)).value
    if entry.get("supports_sampling_params") is False:
        row["takes_temperature"] = False
    if base_id(model_id).startswith(_ALWAYS_THINK):
        row["thinking_tokens"] = ROOM_TO_THINK_TOKENS
    return row


def _answers_by(entry: Mapping[str, Any], model_id: str) -> AnswersBy:
    takes_choice = entry.get("supports_tool_choice") and entry.get("supports_forced_tool_use", True)
    if takes_choice:
        return AnswersBy.FORCED_TOOL if model_id.startswith(_NAMES_ITS_TOOL) else AnswersBy.ANY_TOOL
    if entry.get("supports_native_structured_output"):
        return AnswersBy.TEXT_SCHEMA
    return AnswersBy.AUTO_TOOL if entry.get("supports_function_calling") else AnswersBy.JSON_TEXT


def row_as_toml(row: Mapping[str, Any]) -> str:
    """One `[[model]]` table; the values have no need of escapes but for quotes."""
    return "\n".join(["[[model]]", *(f"{key} = {_toml(value)}" for key, value in row.items())])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:_}"
    if isinstance(value, date):
        return value.isoformat()
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
