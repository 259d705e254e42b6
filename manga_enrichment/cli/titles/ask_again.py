"""`manga-enrichment ask-again`: titles whose answers somebody wants anew though nothing changed.

Belongs here: which titles are meant, showing what it takes. Stays out: numbers and calls (`pipeline/titles`).
"""

import getpass
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from manga_enrichment.cli.parameters import configured_analyses, open_configured_gateways, text_of
from manga_enrichment.domain.text.shown import escaped, escaped_lines

if TYPE_CHECKING:
    from manga_enrichment.pipeline.titles.ask_again import AskingAgain
    from manga_enrichment.pipeline.titles.press import AgainPlan

_SHOWN = 20


def _login() -> str:
    """ "" where the user of this process has no name, as in some containers: then --by is asked for."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


@click.command("ask-again")
@click.option("--analysis", required=True, help="What is asked again, for example reading_level.")
@click.option("--titles", default="", help="Ids, comma-separated, or a file with an id a line.")
@click.option("--where", default="", help="SQL: a condition on enriched_catalog, or a SELECT that gives manga_id.")
@click.option("--because", required=True, help="Why; stands beside the new calls. The same words ask a title once.")
@click.option("--by", default=_login, show_default="your login", help="Who wants it, as the team calls you.")
@click.option("--yes", is_flag=True, help="Ask; without it, say which titles these are and what it costs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line instead of a table.")
def ask_again(*, analysis: str, titles: str, where: str, because: str, by: str, yes: bool, as_json: bool) -> None:
    """Ask about some titles again though nothing changed: shows titles and USD first, asks with --yes.

    Old answers stay in the ledger and the log. Repeated with the same words it goes on where it was.
    """
    from manga_enrichment.domain.outcomes.error_classes import ModelError
    from manga_enrichment.gateways.errors import WriteConflictError
    from manga_enrichment.pipeline.titles.press import Wish

    named = configured_analyses().of_titles
    if analysis not in named:
        raise click.UsageError(f"There is no analysis {analysis!r} of titles: it is one of {', '.join(named)}.")
    if bool(titles) == bool(where):
        raise click.UsageError("Say which titles: either --titles or --where.")
    wish = Wish(named[analysis], tuple(_listed(titles) if titles else _found(where)), by, because)
    asking = _asking(as_json=as_json)
    plan = asking.pressing.plan(wish, asking.gateways.clock.now())
    if not yes:
        _show(plan, as_json=as_json)
        return
    if not as_json:
        _show(plan, as_json=False, is_dry=False)
    try:
        report = asking.ask(wish, f"again-{uuid4().hex[:12]}", "1")
    except (ModelError, WriteConflictError) as error:
        raise click.ClickException(f"{error}. Give the same command again to go on") from error
    done = {"answered": report.answered, "left": report.left, "cost_usd": report.cost_micro_usd / 1e6}
    click.echo(json.dumps({**_document(report.plan), **done}) if as_json else report.sentence())


def _listed(titles: str) -> list[str]:
    """Of a file the first cell of each line; a heading and notes behind # are passed over."""
    path = Path(titles)
    is_file = len(titles) < 256 and path.is_file()
    if not is_file and ("/" in titles or path.suffix):
        raise click.UsageError(f"--titles: there is no file {titles}.")
    cells = (line.split("#")[0].split(",")[0] for line in text_of(path).splitlines()) if is_file else titles.split(",")
    ids = dict.fromkeys(cell.strip().strip('"') for cell in cells)
    return [each for each in ids if each and each != "manga_id"]


def _found(where: str) -> list[str]:
    """What a query gives, through the same guard as `manga-enrichment sql`."""
    from manga_enrichment.analysts.chosen import chosen_ids
    from manga_enrichment.analysts.plain import QueryError
    from manga_enrichment.analysts.session import open_session

    try:
        return chosen_ids(open_session(), where)
    except QueryError as error:
        raise click.ClickException(f"--where: {error}") from error


def _asking(*, as_json: bool) -> "AskingAgain":
    from manga_enrichment.defs.shared.pipeline_settings import invoke_settings
    from manga_enrichment.domain.operations.quota_lanes import BACKFILL
    from manga_enrichment.pipeline.engine.invocation import InvokeGateways
    from manga_enrichment.pipeline.enrichment.canaries import open_canaries
    from manga_enrichment.pipeline.titles.ask_again import AskingAgain
    from manga_enrichment.pipeline.titles.press import Pressing
    from manga_enrichment.settings import known_models, load_settings

    settings, gateways, analyses = load_settings(), open_configured_gateways(), configured_analyses().of_titles
    pressing = Pressing(
        tables=gateways.tables,
        ledger=gateways.ledger,
        analyses=analyses,
        models=known_models(settings),
        bucket_count=settings.catalog_buckets,
        canaries=open_canaries(gateways.status, analyses),
    )
    asked = InvokeGateways(gateways.ledger, gateways.budget, gateways.senders, gateways.open_model, gateways.clock)
    limits = invoke_settings(settings, BACKFILL)

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    return AskingAgain(pressing, gateways.tables, asked, gateways.status, limits, say)


def _document(plan: "AgainPlan") -> dict[str, object]:
    return {
        "analysis": plan.wish.analysis.name,
        "titles": [{**asdict(each), "estimated_usd": each.estimated_micro_usd / 1e6} for each in plan.titles],
        "calls": dict(plan.calls),
        "estimated_usd": plan.estimated_micro_usd / 1e6,
    }


def _show(plan: "AgainPlan", *, as_json: bool, is_dry: bool = True) -> None:
    if as_json:
        click.echo(json.dumps(_document(plan)))
        return
    for each in plan.titles[:_SHOWN]:
        click.echo(escaped(f"{each.manga_id}  {each.estimated_micro_usd / 1e6:.6f} USD  {each.title}: {each.said}"))
    if len(plan.titles) > _SHOWN:
        click.echo(f"... and {len(plan.titles) - _SHOWN} more")
    click.echo(escaped_lines(plan.sentence()))
    if is_dry:
        click.echo("Nothing was asked: repeat with --yes." if plan.calls else "There is nothing to ask.")
