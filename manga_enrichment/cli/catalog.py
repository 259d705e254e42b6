"""`manga-enrichment catalog ...`: what would become of a file, before it becomes the catalog."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.parameters import FullHelp
from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    from manga_enrichment.pipeline.catalog.inspection import Inspection

_LONGEST_CELL = 80


@click.group(cls=FullHelp)
def catalog() -> None:
    """Try a catalog file before it is imported. Nothing is written and nothing costs."""


@catalog.command()
@click.argument("file")
@click.option("--preset", default="", help="Mapping of a known source, for example jikan.")
@click.option("--mapping", default="", help="JSON file with a mapping; without it and --preset one is guessed.")
@click.option("--rows", type=click.IntRange(1), default=None, help="Only the first so many rows.")
@click.option("--json", "as_json", is_flag=True, help="JSON in place of tables.")
def inspect(file: str, preset: str, mapping: str, rows: int | None, as_json: bool) -> None:
    """Show ten titles of FILE as they would come out, and what would be lost.

    FILE is a file, a folder or a pattern, local or s3://. A mapping that was guessed is printed, to be saved and
    mended.
    """
    from manga_enrichment.domain.catalog.mapping import ColumnMapping
    from manga_enrichment.pipeline.catalog.files.rows import Reading
    from manga_enrichment.pipeline.catalog.guessing import guess_mapping
    from manga_enrichment.pipeline.catalog.inspection import inspect_rows
    from manga_enrichment.pipeline.catalog.plausibility import DEFAULT_PLAUSIBLE
    from manga_enrichment.pipeline.catalog.source_files import load_mapping, read_files

    said: list[str] = []
    reading = Reading(say=said.append)
    with _source(file).local_copy() as paths:
        guessed: dict[str, Any] = {}
        if preset or mapping:
            chosen = load_mapping(mapping, preset)
        else:
            guessed, what = guess_mapping(paths, reading)
            said.append(f"mapping guessed: {what}")
            chosen = ColumnMapping.from_json(guessed)
        found = inspect_rows(
            islice(read_files(paths, Reading(chosen, say=said.append), uri=file), rows), chosen, DEFAULT_PLAUSIBLE
        )
    _show(found, said, guessed, as_json=as_json)


@catalog.command()
@click.option("--json", "as_json", is_flag=True, help="JSON in place of tables.")
def check(as_json: bool) -> None:
    """Read MANGA_CATALOG_URI as the next run would and say whether it would be refused (exit code 1)."""
    from manga_enrichment.cli.parameters import open_configured_gateways
    from manga_enrichment.pipeline.catalog.files.rows import Reading
    from manga_enrichment.pipeline.catalog.inspection import inspect_rows
    from manga_enrichment.pipeline.catalog.plausibility import PlausibleLimits
    from manga_enrichment.pipeline.catalog.refresh import load_state
    from manga_enrichment.pipeline.catalog.source_files import load_mapping, read_files
    from manga_enrichment.settings import load_settings

    settings = load_settings()
    gateways = open_configured_gateways()
    state = load_state(gateways.tables, settings.catalog_buckets)
    said: list[str] = []
    mapping = load_mapping(settings.catalog_mapping, settings.catalog_preset)
    reading = Reading(mapping, settings.catalog_encoding, settings.catalog_delimiter, said.append)
    with gateways.catalog_source.local_copy() as paths:
        found = inspect_rows(
            read_files(paths, reading, uri=settings.catalog_uri),
            mapping,
            PlausibleLimits(settings.catalog_max_rejected, settings.catalog_max_lost),
            0 if state is None else state.titles,
        )
    _show(found, said, {}, as_json=as_json)
    if found.refused:
        raise click.ClickException(found.refused)


@catalog.command()
def schema() -> None:
    """Print the JSON Schema of a mapping, for editors."""
    from manga_enrichment.domain.catalog.mapping_schema import mapping_schema

    click.echo(json.dumps(mapping_schema(), indent=2))


def _source(uri: str) -> Any:
    from manga_enrichment.aws.clients import AwsClients
    from manga_enrichment.aws.s3.catalog_source import LocalCatalog, catalog_source

    return catalog_source(AwsClients().s3, uri) if uri.startswith("s3://") else LocalCatalog(uri)


def _show(found: "Inspection", said: list[str], guessed: dict[str, Any], *, as_json: bool) -> None:
    report = found.report
    if as_json:
        document = {
            "rows_read": report.rows_read,
            "titles": report.titles,
            "rejected": dict(report.rejected),
            "filled": dict(found.filled),
            "warnings": dict(report.warnings),
            "examples": dict(found.examples),
            "rows": found.shown,
            "rejects": found.rejects,
            "refused": found.refused,
            "said": said,
            "mapping": guessed,
        }
        click.echo(json.dumps(document, ensure_ascii=False, default=str))
        return
    for line in said:
        click.echo(escaped(line))
    click.echo(f"{report.rows_read} rows: {report.titles} titles, {sum(report.rejected.values())} rejects")
    _print_tables(found)
    if guessed:
        click.echo(json.dumps(guessed, ensure_ascii=False, indent=2))
    if found.refused:
        click.echo(escaped(found.refused))


def _print_tables(found: "Inspection") -> None:
    _print(("field", "filled", "first title", "dropped, changed or merged"), _field_rows(found))
    titles = (
        (row["manga_id"], row["title"], [person["name"] for person in row["authors"]], row["publisher_genres"],
         row["start_year"], row["synopsis"])
        for row in found.shown
    )  # fmt: skip
    _print(("manga_id", "title", "authors", "genres", "year", "synopsis"), titles)
    if found.rejects:
        rejects = ((row["row_number"], row["reason"], row["raw_json"]) for row in found.rejects)
        _print(("row", "rejected as", "its text"), rejects)


def _field_rows(found: "Inspection") -> Iterator[tuple[object, ...]]:
    for name, count in {**found.filled, "row": ""}.items():
        told = [
            f"{kind.removesuffix(f'_{name}')} {number} ({_cell(found.examples[kind])})"
            for kind, number in found.report.warnings.items()
            if kind.endswith(f"_{name}")
        ]
        if told or count != "":
            yield name, count, found.shown[0].get(name), "; ".join(told)


def _print(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings)
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    Console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, list):
        value = ", ".join(str(item.get("name")) if isinstance(item, dict) else str(item) for item in value)
    text = "" if value is None else escaped(str(value))
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"
