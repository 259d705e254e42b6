"""`manga-enrichment requests quote`: what a batch would come to, for operators.

Belongs here: the command. Stays out: the quote (`pipeline/partner/price.py`), the same over HTTP (`api/endpoints.py`).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from manga_enrichment.cli.parameters import checked_partner, configured_analyses, open_configured_gateways
from manga_enrichment.cli.partner.requests import read_body
from manga_enrichment.domain.text.shown import escaped


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--partner", callback=checked_partner, default="cli", show_default=True, help="By whose policy.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line instead of words.")
def quote(file: Path, partner: str, as_json: bool) -> None:
    """What the batch in FILE would come to, and what is there already. Asks no model, sends and bills nothing."""
    document = _quote(file, read_body(file), partner)
    click.echo(json.dumps(document) if as_json else "\n".join(_lines(document)))


def _quote(file: Path, body: Any, partner: str) -> dict[str, Any]:
    """Raises ClickException with all that is wrong with the body."""
    from manga_enrichment.domain.requests.schemas import QUOTE
    from manga_enrichment.domain.requests.validation import validate
    from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning
    from manga_enrichment.pipeline.partner.price import price_of
    from manga_enrichment.settings import known_models, load_settings, request_policy

    settings, gateways = load_settings(), open_configured_gateways()
    result = validate(QUOTE, body, request_policy(settings), partner_id=partner)
    if result.normalized_body is None:
        lines = [f"  {problem.path}: {problem.message}" for problem in result.errors]
        raise click.ClickException("\n".join([f"{file} is not a valid batch:", *lines]))
    planning = PartnerPlanning(
        tables=gateways.tables,
        ledger=gateways.ledger,
        analyses=configured_analyses().for_partners,
        models=known_models(settings),
        bucket_count=settings.catalog_buckets,
    )
    return price_of(planning, result.normalized_body, partner, gateways.clock.now())


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    counts = ", ".join(f"{count} {name}" for name, count in document["counts"].items())
    yield f"{counts}: about {document['cost_usd']:.6f} USD, at most {document['at_most_usd']:.6f} USD"
    yield f"  {document['input_tokens']} input tokens, about {document['output_tokens']} output tokens"
    for item in document["items"]:
        words = (item["manga_id"], item["analysis_type"], item["status"], f"{item['cost_usd']:.6f} USD")
        yield escaped("  ".join(("", *words, *([item["error"]["message"]] if item["error"] else []))))
