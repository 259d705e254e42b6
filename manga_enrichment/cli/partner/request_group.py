"""`manga-enrichment requests list|cancel|usage|quote`: what operators see of a partner's requests and do about them.

Belongs here: the group. Stays out: sending one and following it (`requests.py`), quotes (`quote.py`).
"""

import json
import sys
import uuid
from datetime import datetime

import click

from manga_enrichment.cli.parameters import FullHelp, checked_partner, open_configured_gateways
from manga_enrichment.cli.partner.quote import quote
from manga_enrichment.cli.partner.requests import row_document
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.domain.text.shown import escaped

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON line instead of words.")


class _ListUnlessTold(FullHelp):
    """`requests PARTNER` lists, as it did before there was more to do."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_told = not args or args[0] in self.commands or args[0].startswith("-")
        return super().parse_args(ctx, args if is_told else ["list", *args])


@click.group("requests", cls=_ListUnlessTold)
def request_group() -> None:
    """Requests of partners: list them, cancel them, what they came or would come to.

    `requests PARTNER` lists."""


@request_group.command("list")
@click.argument("partner", callback=checked_partner)
@click.option("--newest", type=click.IntRange(1, 1000), default=20, show_default=True, help="Requests to list.")
@_JSON
def list_requests(partner: str, newest: int, as_json: bool) -> None:
    """The latest requests of PARTNER, the newest first; one that came by no API only once a worker has seen it."""
    rows = open_configured_gateways().requests.by_partner(partner, newest=newest)
    if as_json:
        click.echo(json.dumps([row_document(row) for row in rows]))
        return
    for row in rows:
        cost = f"{row.cost_micro_usd / 1_000_000:.6f} USD"
        words = (f"{row.submitted_at:%Y-%m-%d %H:%M:%S}", row.request_id, row.state.value, cost, row.callback_state)
        click.echo(escaped("  ".join(word for word in words if word)))


@request_group.command()
@click.argument("request_ids", type=click.UUID, nargs=-1, required=True)
def cancel(request_ids: tuple[uuid.UUID, ...]) -> None:
    """Ask nothing more for these requests. What is answered stays, and is billed; the partner gets its callback.

    Ends with 1 when one of them had ended by itself, or is not known.
    """
    from manga_enrichment.pipeline.partner.cancel import cancel_sentence

    gateways = open_configured_gateways()
    rows = {str(each): gateways.requests.cancel(str(each)) for each in request_ids}
    for request_id, row in rows.items():
        click.echo(cancel_sentence(request_id, row))
    done = (
        row is not None and (row.state is RequestState.CANCELLED or not is_final(row.state)) for row in rows.values()
    )
    sys.exit(0 if all(done) else 1)


@request_group.command()
@click.argument("partner", callback=checked_partner)
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="YYYY-MM in UTC; this month unless told.")
@_JSON
def usage(partner: str, month: datetime | None, as_json: bool) -> None:
    """What PARTNER used and spent in a month, as its own `GET /v1/manga/usage` tells it."""
    from manga_enrichment.pipeline.partner.usage import month_document

    gateways = open_configured_gateways()
    told = month or gateways.clock.now()
    document = month_document(gateways.requests, gateways.budget, partner, told.year, told.month)
    if as_json:
        click.echo(json.dumps(document))
        return
    tokens = document["tokens"]
    click.echo(f"{partner}, {document['month']}: {document['cost_usd']:.6f} USD, {document['requests']} requests ended")
    click.echo(f"  {document['items']} items, {tokens['input']} input tokens, {tokens['output']} output tokens")
    for day in document["days"]:
        click.echo(f"  {day['day']}  {day['cost_usd']:.6f} USD")


request_group.add_command(quote)
