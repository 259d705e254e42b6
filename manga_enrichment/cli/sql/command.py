"""`manga-enrichment sql`: the shipped questions, and any other, over the tables.

Belongs here: what is asked, and with what. Stays out: asking (`manga_enrichment/analysts`), forms (`printing.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from manga_enrichment.analysts.questions import Question


def _parameters(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    for name, equals, _value in pairs:
        if not (name and equals):
            raise click.BadParameter("say name=value, for example --param manga_id=MNG-C4G0F4AW")
    return {name: value for name, _equals, value in pairs}


class _Questions(click.Command):
    """`sql QUESTION --help` is about that question."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[__name__] = list(args)  # click looks at --help before it looks at what stands in front of it
        return super().parse_args(ctx, args)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from manga_enrichment.analysts.questions import questions

        found = next((each for each in questions() if each.path.stem in ctx.meta[__name__]), None)
        if found is None:
            super().format_help_text(ctx, formatter)
            return
        with formatter.section(found.path.stem):
            formatter.write_text(f"{found.title}.")
        if found.parameters:
            with formatter.section("Its parameters"):
                formatter.write_dl([(f"--param {name}=...", str(each)) for name, each in found.parameters.items()])


@click.command(cls=_Questions)
@click.argument("query", required=False)
@click.option("--param", "parameters", multiple=True, callback=_parameters, help="name=value for a $name of the query.")
@click.option("--folder", type=click.Path(path_type=Path), help="Tables on this disk instead of the bucket's.")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json", "parquet"]), default="table", show_default=True
)
@click.option("--spreadsheet", is_flag=True, help="With --format csv: no text is a formula there.")
@click.option("--wide", is_flag=True, help="Texts in full, a line each row, as where the output is piped.")
def sql(
    query: str | None, parameters: dict[str, str], folder: Path | None, form: str, spreadsheet: bool, wide: bool
) -> None:
    """Ask the tables: QUERY is a file, the name of a shipped question, or SQL. Without it, list the questions.

    `sql QUESTION --help` says what a question takes.
    """
    from manga_enrichment.analysts.plain import QueryError
    from manga_enrichment.analysts.questions import questions, values_for
    from manga_enrichment.analysts.session import open_session
    from manga_enrichment.cli.sql import printing

    if spreadsheet and form != "csv":
        raise click.UsageError("--spreadsheet is about --format csv alone: give both, or neither.")
    shipped = questions()
    if query is None:
        _list(shipped)
        return
    text = _text(query, shipped)
    try:
        given = values_for(text, parameters, lambda words: _ids(words, folder))
        found = open_session(folder).query(text, given)
    except QueryError as error:
        raise click.ClickException(str(error)) from error
    forms: dict[str, Any] = {"json": printing.print_json, "parquet": printing.print_parquet}
    if form in forms:
        forms[form](found)
    elif form == "csv":
        printing.print_csv(found, spreadsheet=spreadsheet)
    else:
        printing.print_table(found, wide=wide)


def _text(query: str, shipped: "list[Question]") -> str:
    for question in shipped:
        if query in (question.path.stem, question.path.name):
            return question.text
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
        return _ids_in(folder, words)
    from manga_enrichment.cli.find import open_asking

    return [found.manga_id for found in open_asking().find(words)]


_BY_A_PART_OF_THE_TITLE = """
SELECT manga_id FROM catalog
WHERE list_bool_or(
    [contains(lower(each), lower($words)) FOR each IN [title, title_ja, title_kana, title_en] || coalesce(synonyms, [])]
)
ORDER BY length(title), manga_id"""


def _ids_in(folder: Path, words: str) -> list[str]:
    """By a part of a title, in the tables themselves: the candidate index is not in such a folder."""
    from manga_enrichment.analysts.session import open_session

    found = open_session(folder).query(_BY_A_PART_OF_THE_TITLE, {"words": words}).column("manga_id").to_pylist()
    if not found:
        raise click.UsageError(
            f"No title in {folder} has {words!r} in it: give another part of the title, or its id. "
            "(Misspelt words are found where the candidate index is, without --folder.)"
        )
    return [str(each) for each in found]


def _list(shipped: "list[Question]") -> None:
    width = max(len(question.path.stem) for question in shipped)
    for question in shipped:
        click.echo(f"{question.path.stem:{width}}  {question.title}")
        for name, parameter in question.parameters.items():
            click.echo(f"{'':{width}}    --param {name}=...: {parameter}")
