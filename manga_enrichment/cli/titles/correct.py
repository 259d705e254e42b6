"""`manga-enrichment correct` and `corrections`: what editors say of answers, in a terminal.

Belongs here: options and printing. Stays out: what a correction must hold (`pipeline/editing/editing.py`).
"""

import json
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.parameters import configured_analyses, open_configured_gateways
from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from manga_enrichment.domain.labels.labels import Label


@click.command()
@click.option("--title", required=True, help="The title's id, MNG- and 8 characters.")
@click.option("--analysis", required=True, help="Whose answer is wrong, for example genre_classification.")
@click.option("--field", required=True, help="Which field of it, as the table calls it, for example primary_genre.")
@click.option("--value", help="What is right: words, a number, true or false, else JSON; a;b for a list of words.")
@click.option("--because", required=True, help="Why, for those who read it later.")
@click.option("--by", required=True, help="Who says so, as the team calls them; initials are enough.")
@click.option("--take-back", is_flag=True, help="The correction holds no more: readers get the model's answer again.")
def correct(title: str, analysis: str, field: str, value: str | None, because: str, by: str, take_back: bool) -> None:
    """Say what is right where an answer is wrong.

    Readers get it instead, whatever is asked again, until it is taken back. Ledger and log keep what the model said.
    """
    from manga_enrichment.pipeline.catalog.reader import check_bucket_count
    from manga_enrichment.pipeline.editing.editing import Editing
    from manga_enrichment.pipeline.labels.corrections import CorrectionError, correction_in
    from manga_enrichment.settings import load_settings

    if take_back == (value is not None):
        raise click.UsageError("name one: --value with what is right, or --take-back")
    settings, gateways = load_settings(), open_configured_gateways()
    check_bucket_count(gateways.tables, settings.catalog_buckets)
    known = configured_analyses(settings)
    editing = Editing(gateways.tables, known.of_titles, settings.catalog_buckets, gateways.clock)
    try:
        if value is None:
            said = editing.take_back(title, analysis, field, by=by, because=because)
        else:
            right = correction_in(known.get(analysis), field, value)
            said = editing.correct(title, analysis, field, right, by=by, because=because)
    except CorrectionError as error:
        raise click.ClickException(str(error)) from error
    _show([said])
    for each in editing.at_odds(title, analysis):
        click.echo(escaped(f"  mind that its fields disagree now: {each}"))


@click.command()
@click.option("--title", default="", help="Of one title.")
@click.option("--analysis", default="", help="Of one analysis.")
@click.option("--all", "with_history", is_flag=True, help="Also what was said before, and taken back.")
@click.option("--json", "as_json", is_flag=True, help="A JSON line each.")
def corrections(title: str, analysis: str, with_history: bool, as_json: bool) -> None:
    """List the corrections that stand: what, who, when, why, and what it was."""
    from manga_enrichment.domain.labels.labels import standing_corrections
    from manga_enrichment.pipeline.labels.corrections import corrections_of

    known = configured_analyses()
    asked = [known.get(analysis)] if analysis else list(known.of_titles.values())
    found = corrections_of(open_configured_gateways().tables, asked, title)
    if not with_history:
        found = standing_corrections(found)
    _show(found, as_json=as_json)
    if not found and not as_json:
        click.echo("There is no correction.")


def _show(found: "Iterable[Label]", *, as_json: bool = False) -> None:
    for each in found:
        if as_json:
            names = ("manga_id", "analysis", "field", "value", "replaced", "by", "why")
            line = {name: getattr(each, name) for name in names} | {"at": each.at.isoformat(), "kind": each.kind.value}
            click.echo(json.dumps(line, ensure_ascii=False))
            continue
        now = "taken back" if each.kind.value == "taken_back" else _json(each.value)
        click.echo(escaped(f"{each.manga_id} {each.analysis}.{each.field}: {now} (was {_json(each.replaced)})"))
        click.echo(escaped(f"  {each.by}, {each.at:%Y-%m-%d %H:%M} UTC: {each.why}"))


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
