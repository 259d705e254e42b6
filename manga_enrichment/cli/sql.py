"""`manga-enrichment sql`: the shipped questions, and any other, over the tables."""

import csv
import json
import sys
from datetime import datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.parameters import configured_analyses
from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    import pyarrow as pa

    from manga_enrichment.aws.s3.table_datasets import TableDatasets
    from manga_enrichment.cli.sql_session import Question

_WIDEST_CELL = 60
_PIPED_WIDTH = 200
_ROWS_AT_ONCE = 4096
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def _parameters(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    for name, equals, _value in pairs:
        if not (name and equals):
            raise click.BadParameter("say name=value, for example --param manga_id=MNG-C4G0F4AW")
    return {name: value for name, _equals, value in pairs}


@click.command()
@click.argument("query", required=False)
@click.option("--param", "parameters", multiple=True, callback=_parameters, help="name=value for a $name of the query.")
@click.option("--folder", type=click.Path(path_type=Path), help="Tables on this disk instead of the bucket's.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--spreadsheet", is_flag=True, help="With --format csv: no text is a formula there.")
def sql(query: str | None, parameters: dict[str, str], folder: Path | None, form: str, spreadsheet: bool) -> None:
    """Ask the tables: QUERY is a file, the name of a shipped question, or SQL. Without it, list the questions."""
    from manga_enrichment.cli.sql_session import QueryError, SqlSession, questions, with_ids

    if spreadsheet and form != "csv":
        raise click.UsageError("--spreadsheet is about --format csv alone: give both, or neither.")
    shipped = questions()
    if query is None:
        _list(shipped)
        return
    text = _text(query, shipped)
    given = with_ids(text, parameters, lambda words: _ids(words, folder))
    try:
        found = SqlSession(_datasets(folder), list(configured_analyses().of_titles.values())).query(text, given)
    except QueryError as error:
        raise click.ClickException(str(error)) from error
    if form == "csv":
        _print_csv(found, spreadsheet=spreadsheet)
    else:
        {"table": _print_table, "json": _print_json}[form](found)


def _text(query: str, shipped: "list[Question]") -> str:
    for question in shipped:
        if query in (question.path.stem, question.path.name):
            return question.path.read_text("utf-8-sig")
    if any(character.isspace() for character in query.strip()):
        return query
    path = Path(query)
    if not path.is_file():
        raise click.ClickException(
            f"{query} is neither a file nor a shipped question nor SQL: `manga-enrichment sql` lists the questions."
        )
    return path.read_text("utf-8-sig")


def _ids(words: str, folder: Path | None) -> list[str]:
    """Of the titles that the words may mean, best first; an id means itself."""
    from manga_enrichment.domain.prompts.known_titles import named_ids

    if named := named_ids(words):
        return named
    if folder is not None:
        raise click.UsageError(
            f"The candidate index is not in {folder}: give the id of the title in place of {words!r}."
        )
    from manga_enrichment.cli.find import open_asking

    return [found.manga_id for found in open_asking().find(words)]


def _datasets(folder: Path | None) -> "TableDatasets":
    from manga_enrichment.aws.clients import AwsClients
    from manga_enrichment.aws.s3.table_datasets import TableDatasets
    from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT
    from manga_enrichment.settings import load_settings

    if folder is not None:
        return TableDatasets.in_folder(folder)
    return TableDatasets.on_s3(AwsClients(), load_settings().bucket, TABLES_ROOT)


def _list(shipped: "list[Question]") -> None:
    width = max(len(question.path.stem) for question in shipped)
    for question in shipped:
        click.echo(f"{question.path.stem:{width}}  {question.title}")
        for name, meaning in question.parameters.items():
            click.echo(f"{'':{width}}    --param {name}=...: {meaning}")


def _print_table(found: "pa.Table") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(caption=f"{found.num_rows} row{'' if found.num_rows == 1 else 's'}", caption_justify="left")
    rows = found.to_pylist()
    for name in found.column_names:
        is_number = all(isinstance(row[name], int | float) for row in rows if row[name] is not None)
        table.add_column(escaped(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in found.column_names))
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    Console(markup=False, emoji=False, width=width).print(table)  # what a model wrote is text, not markup


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    text = escaped(str(value))
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"


class _Lines:
    """A file of rows that end in \\n. Told of \\r\\n, the csv module puts quotes around either character in a value."""

    def write(self, row: str) -> int:
        return sys.stdout.write(row.removesuffix("\r\n") + "\n")


def _print_csv(found: "pa.Table", *, spreadsheet: bool) -> None:
    """RFC 4180, values as they are; for a spreadsheet, texts that it would run as formulas begin with an apostrophe."""
    neutral = _neutral if spreadsheet else _text_of
    writer = csv.writer(_Lines(), lineterminator="\r\n")
    writer.writerow([neutral(name) for name in found.column_names])
    for batch in found.to_batches(max_chunksize=_ROWS_AT_ONCE):
        columns = [column.to_pylist() for column in batch.columns]
        writer.writerows([neutral(_text_of(value)) for value in row] for row in zip(*columns, strict=True))


def _text_of(value: Any) -> Any:
    """Lists, structs and maps as JSON; null as nothing; all else as the csv module writes it."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    is_nothing = value is None or (isinstance(value, float) and isnan(value))
    return "" if is_nothing else value


def _neutral(value: Any) -> Any:
    """Numbers stay numbers, negative ones too."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _print_json(found: "pa.Table") -> None:
    for row in found.to_pylist():
        click.echo(json.dumps(row, ensure_ascii=False, default=str))
