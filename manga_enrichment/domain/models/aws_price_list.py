"""Rows made from AWS's own price list: the offer file of a service, as its Price List Bulk API hands it out.

Belongs here: prices of one model in one region out of AmazonBedrock's file or AmazonBedrockFoundationModels'.
Stays out: other tables and a row as TOML (`price_tables.py`), what a row may hold (`rows.py`), files (`cli/models.py`).

A file has `products` by SKU, with attributes, and `terms.OnDemand` by SKU with the price of a unit. A model is there by
the name that people read, of which no rule makes its id: `model` in the one file, `servicename` with " (Amazon Bedrock
Edition)" in the other. What a SKU is of stands at the end of its `usagetype`: `USE1-NovaPro-input-tokens-batch`,
`USE1-MP:USE1_InputTokenCount_Global-Units`. A SKU with any word that is not known here (long context, speech, a cache
of an hour, the other endpoint `mantle`) is another thing's.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.rows import PRICE_PAIRS, PRICES
from manga_enrichment.domain.models.specs import AnswersBy

_NOT_THERE = ("max_input_tokens", "max_output_tokens", "answers_by")
_EDITION = " (Amazon Bedrock Edition)"
_FEATURES = frozenset({"", "On-demand Inference", "Batch Inference"})
_TOKENS_PER_UNIT = {"1k tokens": 1_000, "1m tokens": 1_000_000}
_HEAD = re.compile(r"^[A-Z0-9]+-(?:MP:[A-Z0-9]+_|.+?-(?=(?:cache|input|output)-))")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z0-9]+")
_NO_TEXT_MODEL = re.compile(r"mantle|custom|speech|audio|image|video|latency|provisioned|reserved", re.IGNORECASE)
_FILLING = frozenset({"token", "tokens", "count", "standard"})
_GLOBAL = ({"global"}, {"cross", "region", "global"})
_WHAT = {frozenset(name.split("_")): name for name in PRICES} | {
    frozenset({"cache", way, "input"}): f"cache_{way}" for way in ("read", "write")
}


def is_price_list(table: Mapping[str, Any]) -> bool:
    """Whether a price table is a file of AWS's, by its form."""
    return isinstance(table.get("products"), Mapping) and isinstance(table.get("terms"), Mapping)


def row_from_price_list(
    table: Mapping[str, Any],
    model_id: str,
    name: str,
    region: str,
    abilities: Mapping[str, Any],
    *,
    is_profile_of_known: bool = False,
) -> dict[str, Any]:
    """The row of a model, as `row_from_litellm` makes it. abilities: what the list does not say (limits, answers_by).

    The rest as `prices_of`. Raises ConfigurationError.
    """
    prices, source = prices_of(table, model_id, name, region)
    lacking = [] if is_profile_of_known else [each for each in _NOT_THERE if each not in abilities]
    if lacking:
        options = ", ".join("--" + each.replace("_", "-") for each in lacking)
        raise ConfigurationError(
            f"The price list says no {', '.join(lacking)} of {model_id!r}: look them up where the model is described, "
            f"and add {options}"
        )
    if abilities.get("answers_by", AnswersBy.FORCED_TOOL) not in set(AnswersBy):
        raise ConfigurationError(
            f"answers_by must be one of {', '.join(AnswersBy)}, not {abilities['answers_by']!r:.40}"
        )
    return {"id": model_id, **prices, **abilities, "source": source}


def prices_of(table: Mapping[str, Any], model_id: str, name: str, region: str) -> tuple[dict[str, int], str]:
    """Micro-dollars per million tokens by the names of a row, and which list that was.

    name: of the model in the list. region: "" for the only one of the file. A profile `global.` has prices of its own
    there; others cost what the region's do. Raises ConfigurationError.
    """
    products = [each for each in table["products"].items() if isinstance(each[1], Mapping)]
    skus = [(sku, attributes) for sku, product in products if _name(attributes := _attributes(product)) == name]
    if not name or not skus:
        raise ConfigurationError(_no_such_model(model_id, name, [_attributes(each) for _, each in products]))
    region = _region(region, {str(attributes.get("regionCode", "")) for _, attributes in skus}, name)
    found: dict[str, int] = {}
    for sku, attributes in skus:
        what = _what(attributes, is_global=model_id.startswith("global."))
        if what is None or attributes.get("regionCode") != region:
            continue
        price = _price(table, sku, f"{name} ({what})")
        if found.setdefault(what, price) != price:
            raise ConfigurationError(
                f"The price list has two prices of {name} ({what}) in {region}: write the row by hand"
            )
    complete = {key for pair in PRICE_PAIRS if found.keys() >= set(pair) for key in pair}
    if not complete >= {"input", "output"}:
        kind = "global " if model_id.startswith("global.") else ""
        raise ConfigurationError(
            f"The price list has no {kind}price on demand of {name}'s input and output in {region}"
        )
    published = str(table.get("publicationDate", ""))[:10] or "no date"
    source = f"AWS price list {region} ({table.get('offerCode', 'no offer code')}, published {published})"
    return {key: found[key] for key in PRICES if key in complete}, source


def _attributes(product: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = product.get("attributes")
    return attributes if isinstance(attributes, Mapping) else {}


def _name(attributes: Mapping[str, Any]) -> str:
    return str(attributes.get("model") or str(attributes.get("servicename", "")).removesuffix(_EDITION))


def _no_such_model(model_id: str, name: str, attributes: Sequence[Mapping[str, Any]]) -> str:
    wanted = set(re.findall(r"[a-z]{4,}", f"{name} {model_id}".lower())) - {"anthropic", "amazon", "global", "instruct"}
    near = sorted({each for each in map(_name, attributes) if any(word in each.lower() for word in wanted)})
    said = f"has no model {name!r}" if name else f"names models as people do, not {model_id!r}"
    return f"The price list {said}: say --name as it stands there; near it are {', '.join(near[:8]) or 'none'}"


def _region(asked: str, there: set[str], name: str) -> str:
    if asked in there or (not asked and len(there) == 1):
        return asked or next(iter(there))
    known = ", ".join(sorted(there))
    raise ConfigurationError(f"The price list has {name} in {known}: say one of them as --region, not {asked!r}")


def _what(attributes: Mapping[str, Any], *, is_global: bool) -> str | None:
    """Which price of a row a SKU has; None for what a row does not hold, or another profile's."""
    usage = str(attributes.get("usagetype", "")).removesuffix("-Units")
    head = _HEAD.match(usage)
    if head is None or _NO_TEXT_MODEL.search(head.group()) or attributes.get("feature", "") not in _FEATURES:
        return None
    words = {word.lower() for word in _WORD.findall(usage[head.end() :])} - _FILLING
    if is_global:
        words = next((words - each for each in reversed(_GLOBAL) if words >= each), {"nothing"})
    return _WHAT.get(frozenset(words))


def _price(table: Mapping[str, Any], sku: str, what: str) -> int:
    prices = set(_prices(table, sku))
    if len(prices) != 1:
        raise ConfigurationError(f"The price list has {len(prices)} prices of {what}, SKU {sku}: write the row by hand")
    unit, usd = prices.pop()
    tokens = _TOKENS_PER_UNIT.get(unit.lower())
    try:
        dollars = Decimal(usd)
    except InvalidOperation:
        dollars = Decimal("NaN")
    if tokens is None or not dollars.is_finite() or dollars < 0:
        raise ConfigurationError(f"The price of {what} cannot be read: {usd!r:.40} USD per {unit!r:.40}, SKU {sku}")
    return round(dollars * 1_000_000 * 1_000_000 / tokens)


def _prices(table: Mapping[str, Any], sku: str) -> Iterator[tuple[str, str]]:
    """Unit and dollars of each price on demand of a SKU."""
    try:
        for term in table["terms"]["OnDemand"].get(sku, {}).values():
            for dimension in term["priceDimensions"].values():
                yield str(dimension["unit"]), str(dimension["pricePerUnit"]["USD"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigurationError(f"The terms of SKU {sku} are not as in AWS's price lists: {error!r}") from error
