"""`manga-enrichment models list|show|check|add`: which models are known, at what price, and rows for further ones.

Belongs here: the commands. Stays out: what a row may hold (`domain/models/rows.py`), rows from price tables
(`domain/models/price_tables.py`, `domain/models/aws_price_list.py`).
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.parameters import FullHelp

if TYPE_CHECKING:
    from manga_enrichment.domain.models.specs import ModelCatalog, ModelSpec

_FOR_PRICE_LISTS = (
    "--name, --region, --max-input-tokens, --max-output-tokens and --answers-by are for AWS's own price list, "
    "and this table is litellm's: leave them out"
)
_JSON = click.option("--json", "as_json", is_flag=True, help="JSON instead of words.")


@click.group(cls=FullHelp)
def models() -> None:
    """Models on Bedrock: ids, prices, abilities, ends; and rows for more of them."""


@models.command("list")
@click.option(
    "--family", default="", help="Only one vendor's: anthropic, amazon, openai, qwen, meta, mistral, deepseek."
)
@_JSON
def list_models(family: str, as_json: bool) -> None:
    """Every model that may be asked, with its price per million tokens and what it can."""
    catalog = _catalog()
    found = [spec for _, spec in sorted(catalog.models.items()) if family in ("", spec.family)]
    if not found:
        known = ", ".join(sorted({spec.family for spec in catalog.models.values()}))
        raise click.ClickException(f"no model of the family {family!r}: the families are {known}")
    if as_json:
        click.echo(json.dumps([_document(catalog, spec) for spec in found]))
        return
    for spec in found:
        names = ", ".join(_aliases(catalog, spec))
        tiers = " ".join(_tiers(spec)) or "-"
        ends = f"  ends {spec.end_of_life}" if spec.end_of_life else ""
        price = f"{_usd(spec.price.input_micro_usd):>8} {_usd(spec.price.output_micro_usd):>8}"
        click.echo(f"{spec.model_id:<52} {price}  {spec.answers_by:<11}  {tiers:<20}{names}{ends}".rstrip())


@models.command()
@click.argument("model")
@_JSON
def show(model: str, as_json: bool) -> None:
    """All that is known of MODEL, an alias or an id."""
    catalog = _catalog()
    document = _document(catalog, catalog.resolve(model))
    if as_json:
        click.echo(json.dumps(document))
        return
    for name, value in document.items():
        click.echo(f"{name}: {', '.join(value) if isinstance(value, list) else value}")


@models.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=False)
def check(file: Path | None) -> None:
    """Whether FILE can be used; without it MANGA_MODELS_FILE. Says all that is wrong, one sentence a fault."""
    from manga_enrichment.domain.errors import ConfigurationError
    from manga_enrichment.domain.models.loading import load_models, packaged_models
    from manga_enrichment.domain.models.rows import parse_rows
    from manga_enrichment.settings import load_settings

    file = file or Path(load_settings().models_file or ".")
    if not file.is_file():
        raise click.ClickException("name a file, or set MANGA_MODELS_FILE")
    text = file.read_text("utf-8")
    try:
        rows = parse_rows(text, str(file), packaged_models().models)
        load_models(own_rows=text)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    today = datetime.now(UTC).date()
    for spec in rows.specs:
        if not spec.source:
            click.echo(f"{spec.model_id}: no source says where its price comes from, and when it was read", err=True)
        if spec.ends_within(90, today):
            click.echo(f"{spec.model_id}: ends on {spec.end_of_life}", err=True)
    click.echo(f"{file}: {len(rows.specs)} models and {len(rows.aliases)} aliases can be used")


@models.command()
@click.argument("model_id")
@click.option(
    "--from",
    "table",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="litellm's model_prices_and_context_window_backup.json, or an index.json of AWS's price list.",
)
@click.option("--name", default="", help="AWS's list: the model as it is called there, for example 'Nova Pro'.")
@click.option("--region", default="", help="AWS's list: whose prices, for example us-east-1.")
@click.option("--max-input-tokens", type=click.IntRange(min=1), help="AWS's list has no limits.")
@click.option("--max-output-tokens", type=click.IntRange(min=1), help="AWS's list has no limits.")
@click.option("--answers-by", help="AWS's list has no abilities; docs/models.md has the ways.")
@click.option("--source", default="", help="Which table that is, and its version; by default its file name.")
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), help="Append the row to this file.")
def add(model_id: str, table: Path, source: str, to: Path | None, name: str, region: str, **given: Any) -> None:
    """A row for MODEL_ID from a price table that you have: printed, or appended to a file and checked."""
    from manga_enrichment.domain.models.aws_price_list import is_price_list, row_from_price_list
    from manga_enrichment.domain.models.price_tables import row_as_toml, row_from_litellm
    from manga_enrichment.domain.models.rows import parse_rows
    from manga_enrichment.domain.models.specs import base_id

    catalog, document = _catalog(), _read(table)
    read_on = f"read on {datetime.now(UTC).date().isoformat()}"
    is_profile = base_id(model_id) != model_id and base_id(model_id) in catalog.models
    if is_price_list(document):
        abilities = {key: value for key, value in given.items() if value is not None}
        row = row_from_price_list(document, model_id, name, region, abilities, is_profile_of_known=is_profile)
        row["source"] = f"{source or row['source']}, {read_on}"
    elif name or region or any(given.values()):
        raise click.UsageError(_FOR_PRICE_LISTS)
    else:
        row = row_from_litellm(document, model_id, f"{source or table.name}, {read_on}", is_profile_of_known=is_profile)
    text = row_as_toml(row) + "\n"
    if to is None:
        click.echo(text, nl=False)
        return
    before = to.read_text("utf-8").rstrip() + "\n\n" if to.exists() else ""
    parse_rows(before + text, str(to), catalog.models)
    to.write_text(before + text, "utf-8")
    click.echo(f"{to}: {model_id} added; set MANGA_MODELS_FILE={to}")


def _catalog() -> "ModelCatalog":
    from manga_enrichment.settings import known_models, load_settings

    return known_models(load_settings())


def _read(table: Path) -> dict[str, Any]:
    try:
        document = json.loads(table.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{table} is no price table: {error}") from error
    if not isinstance(document, dict):
        raise click.ClickException(f"{table} is no price table: it is no JSON object")
    return document


def _aliases(catalog: "ModelCatalog", spec: "ModelSpec") -> list[str]:
    return sorted(alias for alias, model_id in catalog.aliases.items() if model_id == spec.model_id)


def _tiers(spec: "ModelSpec") -> list[str]:
    return [*(["batch"] if spec.price.has_batch else []), *spec.price.tiers]


def _usd(micro_usd: int) -> str:
    return f"${micro_usd / 1_000_000:.6g}"


def _document(catalog: "ModelCatalog", spec: "ModelSpec") -> dict[str, Any]:
    from manga_enrichment.domain.models.rows import PRICES

    prices = {name: getattr(spec.price, f"{name}_micro_usd") for name in PRICES}
    return {
        "id": spec.model_id,
        "aliases": _aliases(catalog, spec),
        "family": spec.family,
        **{f"{name}_micro_usd_per_million_tokens": price for name, price in prices.items() if price is not None},
        "max_input_tokens": spec.max_input_tokens,
        "max_output_tokens": spec.max_output_tokens,
        "price_holds_up_to_input_tokens": spec.price_holds_up_to_input_tokens,
        "answers_by": spec.answers_by.value,
        "strict_tool": spec.strict_tool,
        "takes_temperature": spec.takes_temperature,
        "always_thinks": spec.always_thinks,
        "caches_prompts": spec.cache_minimum_tokens is not None,
        "output_burndown": spec.output_burndown,
        "end_of_life": spec.end_of_life.isoformat() if spec.end_of_life else None,
        "source": spec.source or "the head of models.toml",
    }
