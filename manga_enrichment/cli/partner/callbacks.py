"""`manga-enrichment callbacks secret|failed|retry`: what operators do about callbacks and notifications."""

import json
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.parameters import FullHelp, checked_partner, open_configured_gateways
from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    from manga_enrichment.domain.callbacks.deliveries import Delivery
    from manga_enrichment.pipeline.outbox.redelivery import FailedFilter

_PARTNERS = click.option("--partner", "partners", multiple=True, help="Partner id; may be given more than once.")
_REQUEST_IDS = click.option("--request-id", "request_ids", multiple=True, help="May be given more than once.")
_LIMIT = click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Deliveries.")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON line instead of words.")


@click.group(cls=FullHelp)
def callbacks() -> None:
    """Callbacks and notifications: partners' secrets, deliveries that failed."""


@callbacks.command()
@click.argument("partner", callback=checked_partner)
@_JSON
def secret(partner: str, as_json: bool) -> None:
    """Print the secret that PARTNER verifies our callbacks with, and the id of its key. Only stdout gets it.

    Both follow from MANGA_CALLBACK_SECRET and MANGA_CALLBACK_KEY_ID: set these to what is to come, and it prints what
    the partner will need then.
    """
    from manga_enrichment.domain.callbacks.signatures import partner_signing_key
    from manga_enrichment.domain.errors import ConfigurationError
    from manga_enrichment.settings import load_settings, signing_key

    master = signing_key(load_settings())
    if master is None:
        raise ConfigurationError("MANGA_CALLBACK_SECRET is not set: partners' secrets are derived from it")
    key = partner_signing_key(master, partner)
    if as_json:
        click.echo(json.dumps({"partner_id": partner, "key_id": key.key_id, "secret": key.secret}))
    else:
        click.echo(f"key id: {key.key_id}\nsecret: {key.secret}")


@callbacks.command()
@_PARTNERS
@_REQUEST_IDS
@_LIMIT
@_JSON
def failed(limit: int, as_json: bool, **chosen: Any) -> None:
    """List deliveries that were given up, the latest first. They are kept for 90 days."""
    from manga_enrichment.pipeline.outbox.redelivery import failed_deliveries

    found = failed_deliveries(open_configured_gateways().outbox, _filter(**chosen), limit=limit)
    if as_json:
        click.echo(json.dumps([_document(each) for each in found]))
    else:
        click.echo("\n".join(map(_line, found)) or "No delivery has failed.")


@callbacks.command()
@_PARTNERS
@_REQUEST_IDS
@click.option("--all", "everything", is_flag=True, help="Every failed delivery, up to the limit.")
@_LIMIT
@click.option("--dry-run", is_flag=True, help="Say what would be sent again; change nothing.")
def retry(limit: int, everything: bool, dry_run: bool, **chosen: Any) -> None:
    """Send failed deliveries again, with all their tries, at the next tick of the sensor `outbox`."""
    from manga_enrichment.pipeline.outbox.redelivery import failed_deliveries
    from manga_enrichment.pipeline.outbox.redelivery import retry as send_again

    if everything == any(chosen.values()):
        raise click.UsageError("Say which: --partner or --request-id, or --all.")
    gateways = open_configured_gateways()
    found = failed_deliveries(gateways.outbox, _filter(**chosen), limit=limit)
    if not dry_run:
        found = send_again(found, outbox=gateways.outbox, requests=gateways.requests, clock=gateways.clock)
    click.echo(f"{len(found)} {'would be' if dry_run else 'are'} sent again.")
    for each in found:
        click.echo(escaped(f"  {each.event_type} of {each.request_id or '(no request)'} to {each.receiver}"))


def _filter(partners: tuple[str, ...], request_ids: tuple[str, ...]) -> "FailedFilter":
    from manga_enrichment.pipeline.outbox.redelivery import FailedFilter

    return FailedFilter(frozenset(partners), frozenset(request_ids))


def _document(delivery: "Delivery") -> dict[str, Any]:
    """Without the target: a URL may hold a secret of the partner."""
    return {
        "delivery_id": delivery.delivery_id,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "request_id": delivery.request_id,
        "partner_id": delivery.partner_id,
        "channel": delivery.channel.value,
        "receiver": delivery.receiver,
        "attempts": delivery.attempts,
        "status": delivery.status,
        "problem": delivery.problem,
        "failed_at": delivery.due_at.isoformat(),
    }


def _line(delivery: "Delivery") -> str:
    tries = "1 try" if delivery.attempts == 1 else f"{delivery.attempts} tries"
    what = f"{delivery.event_type} of {delivery.request_id or '(no request)'} ({delivery.partner_id or 'no partner'})"
    return escaped(f"{delivery.due_at:%Y-%m-%d %H:%M:%S}  {what} to {delivery.receiver}, {tries}: {delivery.problem}")
