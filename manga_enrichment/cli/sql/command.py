"""`manga-enrichment sql`: the shipped questions, and any other, over the tables.

Belongs here: what is asked, and with what. Stays out: asking (`manga_enrichment/analysts`), forms (`printing.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from manga_enrichment.analysts.questions import Question


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
    from manga_enrichment.analysts.plain import QueryError
    from manga_enrichment.analysts.questions import questions, with_ids
    from manga_enrichment.analysts.session import open_session
    from manga_enrichment.cli.sql import printing

    if spreadsheet and form != "csv":
        raise click.UsageError("--spreadsheet is about --format csv alone: give both, or neither.")
    shipped = questions()
    if query is None:
        _list(shipped)
        return
    text = _text(query, shipped)
    given = with_ids(text, parameters, lambda words: _ids(words, folder))
    try:
        found = open_session(folder).query(text, given)
    except QueryError as error:
        raise click.ClickException(str(error)) from error
    if form == "csv":
        printing.print_csv(found, spreadsheet=spreadsheet)
    else:
        {"table": printing.print_table, "json": printing.print_json}[form](found)


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


def _list(shipped: "list[Question]") -> None:
    width = max(len(question.path.stem) for question in shipped)
    for question in shipped:
        click.echo(f"{question.path.stem:{width}}  {question.title}")
        for name, meaning in question.parameters.items():
            click.echo(f"{'':{width}}    --param {name}=...: {meaning}")
