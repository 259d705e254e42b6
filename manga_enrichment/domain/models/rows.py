"""Rows of a file of models: what one may hold, what is wrong with it, and the `ModelSpec` that it becomes.

Belongs here: TOML text to specs, one sentence a fault. Stays out: which files there are (`specs.py`), rows made from
price tables (`price_tables.py`).

An inference profile (`us.`, `eu.`, …) needs no more than its own price: what its row leaves out about abilities is its
base model's. Prices are never taken over, since they differ.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.specs import AnswersBy, ModelSpec, base_id
from manga_enrichment.domain.models.usage import Price

_WHOLE = ("max_input_tokens", "max_output_tokens", "cache_minimum_tokens", "thinking_tokens", "output_burndown")
PRICE_PAIRS = (
    ("input", "output"),
    ("cache_read", "cache_write"),
    ("batch_input", "batch_output"),
    ("flex_input", "flex_output"),
    ("priority_input", "priority_output"),
)
PRICES = tuple(name for pair in PRICE_PAIRS for name in pair)
_ABILITIES: Mapping[str, type] = {
    **dict.fromkeys((*_WHOLE, "price_holds_up_to_input_tokens"), int),
    "takes_temperature": bool,
    "takes_forced_tool": bool,
    "answers_by": str,
    "strict_tool": bool,
    "thinking_off": str,
    "end_of_life": date,
}
_KEYS: Mapping[str, type] = {"id": str, "source": str, **dict.fromkeys(PRICES, int), **_ABILITIES}
_SECTIONS = frozenset({"model", "aliases", "guardrail"})


class MissingPriceError(ConfigurationError):
    """A model row without a price for what its calls use: nothing may be called at a guessed price."""


class ModelRowsError(ConfigurationError):
    """A file of models that cannot be used; the message has one sentence a fault."""


@dataclass(frozen=True, slots=True)
class ModelRows:
    """What a file holds. guardrail: prices by policy."""

    specs: tuple[ModelSpec, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    guardrail: Mapping[str, int] = field(default_factory=dict)


def parse_rows(text: str, name: str, known: Mapping[str, ModelSpec]) -> ModelRows:
    """name: of the file, for sentences. known: models of other files, which profiles may rest on.

    Raises ModelRowsError with all faults, MissingPriceError where a price is all that lacks.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelRowsError(f"{name} is not TOML: {error}") from error
    rows = document.get("model", [])
    faults = list(_faults(document, rows, known))
    if faults:
        raise ModelRowsError("\n".join(f"{name}: {fault}" for fault in faults))
    own = {row["id"]: row for row in rows}
    for row in rows:
        _check_prices(row, name)
    specs = tuple(_spec(_with_abilities(row, own, known)) for row in rows)
    return ModelRows(specs, document.get("aliases", {}), document.get("guardrail", {}))


def _faults(document: Mapping[str, Any], rows: Any, known: Mapping[str, ModelSpec]) -> Iterator[str]:
    for section in sorted(document.keys() - _SECTIONS):
        yield f"[{section}] is nothing that it may hold; it takes [[model]], [aliases] and [guardrail]"
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        yield "model must be a list of tables: write [[model]] above each"
        return
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        model_id = row.get("id")
        where = f"model {model_id!r}" if isinstance(model_id, str) and model_id else f"[[model]] number {number}"
        if where.startswith("[[") or model_id in seen:
            yield f'{where} has no id of its own: id = "<what Bedrock calls the model>"'
        seen.add(str(model_id))
        yield from (f"{where}: {fault}" for fault in _row_faults(row, rows, known))
    for alias, target in document.get("aliases", {}).items():
        if not isinstance(target, str):
            yield f"alias {alias!r} must name a model id"


def _row_faults(
    row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], known: Mapping[str, ModelSpec]
) -> Iterator[str]:
    for key, value in row.items():
        kind = _KEYS.get(key)
        if kind is None:
            yield f"{key} is no key of a row; the keys are {', '.join(sorted(_KEYS))}"
        elif not _is_of(value, kind):
            yield f"{key} must be {_WORDS[kind]}, not {value!r:.60}"
    if row.get("answers_by", "forced_tool") not in set(AnswersBy):
        yield f"answers_by must be one of {', '.join(AnswersBy)}"
    if row.get("strict_tool") is True and row.get("answers_by") in (AnswersBy.TEXT_SCHEMA, AnswersBy.JSON_TEXT):
        yield f"strict_tool is for models that answer by a tool, not by {row['answers_by']}: take it out"
    for first, second in PRICE_PAIRS[2:]:
        if (first in row) != (second in row):
            yield f"{first} and {second} belong together: add the other price or take both out"
    rests_on = base_id(str(row.get("id", "")))
    has_base = rests_on in known or any(other.get("id") == rests_on != row.get("id") for other in rows)
    lacking = [each for each in ("max_input_tokens", "max_output_tokens") if each not in row and not has_base]
    if lacking:
        yield f"{' and '.join(lacking)} must be given, since no row has its base model {rests_on!r}"


def _is_of(value: Any, kind: type) -> bool:
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, kind) and (kind is not date or type(value) is date)


_WORDS: Mapping[type, str] = {
    int: "a whole number that is not negative",
    bool: "true or false",
    str: "a text",
    date: "a date such as 2027-03-30",
}


def _check_prices(row: Mapping[str, Any], name: str) -> None:
    """Raises MissingPriceError where a call of this model could not be estimated."""
    pairs = [*PRICE_PAIRS[:1], *(PRICE_PAIRS[1:2] * ("cache_minimum_tokens" in row))]
    for pair in pairs:
        if not row.keys() >= set(pair):
            raise MissingPriceError(
                f"Model {row['id']!r} in {name} has no {' or '.join(pair)} price: "
                "add both in micro-dollars per million tokens, a price is never guessed."
            )


def _with_abilities(
    row: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]], known: Mapping[str, ModelSpec]
) -> Mapping[str, Any]:
    """With its base model's abilities where the row says nothing."""
    base = base_id(row["id"])
    if base == row["id"]:
        return row
    if base in own:
        inherited = {key: value for key, value in own[base].items() if key in _ABILITIES}
    else:
        inherited = _abilities_of(known[base]) if base in known else {}
    if not row.keys() >= {"cache_read", "cache_write"}:  # what is not sold is no ability
        inherited.pop("cache_minimum_tokens", None)
    return {**inherited, **row}


def _abilities_of(spec: ModelSpec) -> dict[str, Any]:
    values = {key: getattr(spec, key) for key in _ABILITIES if key != "takes_forced_tool"}
    return {key: value for key, value in values.items() if value is not None}


def _spec(row: Mapping[str, Any]) -> ModelSpec:
    max_input_tokens: int = row["max_input_tokens"]
    by_tool = AnswersBy.FORCED_TOOL if row.get("takes_forced_tool", True) else AnswersBy.AUTO_TOOL
    return ModelSpec(
        model_id=row["id"],
        price=Price(**{f"{name}_micro_usd": row[name] for name in PRICES if name in row}),
        max_input_tokens=max_input_tokens,
        max_output_tokens=row["max_output_tokens"],
        price_holds_up_to_input_tokens=row.get("price_holds_up_to_input_tokens", max_input_tokens),
        takes_temperature=row.get("takes_temperature", True),
        answers_by=AnswersBy(row.get("answers_by", by_tool)),
        strict_tool=row.get("strict_tool", False),
        thinking_off=row.get("thinking_off"),
        thinking_tokens=row.get("thinking_tokens", 0),
        cache_minimum_tokens=row.get("cache_minimum_tokens"),
        output_burndown=row.get("output_burndown", 1),
        end_of_life=row.get("end_of_life"),
        source=row.get("source", ""),
    )
