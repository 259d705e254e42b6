"""`manga-enrichment dlq depth|peek|redrive`: look at dead letters and send them back."""

import json
import re
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.parameters import FullHelp, open_configured_gateways
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, DEAD_LETTERS_FIFO
from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    from manga_enrichment.pipeline.dead_letters.queue import DeadLetter, Peek

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGE = re.compile(r"(\d{1,9})([smhd])")

_QUEUE = click.option(
    "--queue",
    type=click.Choice([DEAD_LETTERS, DEAD_LETTERS_FIFO]),
    default=DEAD_LETTERS,
    show_default=True,
    help="Which of the two dead-letter queues.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON line instead of a table.")


def _seconds(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """Of an age like 90s, 15m, 2h or 3d."""
    if value is None:
        return None
    found = _AGE.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no age: write for example 90s, 15m, 2h or 3d")
    return float(int(found[1]) * _UNITS[found[2]])


@click.group(cls=FullHelp)
def dlq() -> None:
    """Dead letters: requests that failed three times, and messages that are no requests."""


@dlq.command()
@_JSON
def depth(as_json: bool) -> None:
    """How many dead letters there are, in both queues."""
    gateways = open_configured_gateways()
    from manga_enrichment.pipeline.dead_letters.queue import DeadLetters

    letters = DeadLetters(queues=gateways.queues, requests=gateways.requests, clock=gateways.clock)
    depths = {name: asdict(found) for name, found in letters.depth().items()}
    if as_json:
        click.echo(json.dumps(depths))
        return
    for name, found in depths.items():
        click.echo(f"{name}: {found['visible']} visible, {found['in_flight']} in flight, {found['delayed']} delayed")


@dlq.command()
@_QUEUE
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="Messages to look at.")
@_JSON
def peek(queue: str, limit: int, as_json: bool) -> None:
    """Show dead letters and put them back at once. SQS counts this as a receive of each."""
    gateways = open_configured_gateways()
    from manga_enrichment.pipeline.dead_letters.queue import DeadLetters

    letters = DeadLetters(queues=gateways.queues, requests=gateways.requests, clock=gateways.clock)
    peeked = letters.peek(queue, limit=limit)
    if as_json:
        shown = [_as_json(letter, _models(letter)) for letter in peeked.letters]
        reasons = dict(peeked.reasons)
        click.echo(json.dumps({"queue": queue, "messages": shown, "reasons": reasons, "unseen": peeked.unseen}))
    else:
        _print(peeked)


@dlq.command()
@_QUEUE
@click.option("--reason", "reasons", multiple=True, help="Reason or error class; may be given more than once.")
@click.option("--partner", "partners", multiple=True, help="Partner id; may be given more than once.")
@click.option("--request-id", "request_ids", multiple=True, help="May be given more than once.")
@click.option("--older-than", callback=_seconds, help="For example 90s, 15m, 2h, 3d.")
@click.option("--younger-than", callback=_seconds, help="For example 90s, 15m, 2h, 3d.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Messages to send back.")
@click.option("--to", "target", default="", help="Queue for all; by default each goes where it came from.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent back; send nothing.")
@_JSON
def redrive(queue: str, limit: int, target: str, dry_run: bool, as_json: bool, **chosen: Any) -> None:
    """Send dead letters back to work. What is given must all fit; nothing given: every message."""
    gateways = open_configured_gateways()
    from manga_enrichment.pipeline.dead_letters.redrive import Redrive, RedriveFilter

    wanted = RedriveFilter(
        reasons=frozenset(chosen["reasons"]),
        partners=frozenset(chosen["partners"]),
        request_ids=frozenset(chosen["request_ids"]),
        older_than_seconds=chosen["older_than"],
        younger_than_seconds=chosen["younger_than"],
    )
    redriving = Redrive(queues=gateways.queues, requests=gateways.requests, clock=gateways.clock)
    report = redriving.redrive(queue, wanted, limit=limit, dry_run=dry_run, target=target)
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        click.echo(report.sentence())


def _models(letter: "DeadLetter") -> list[str]:
    from manga_enrichment.pipeline.dead_letters.queue import models_asked
    from manga_enrichment.settings import load_settings, request_policy

    policy = request_policy(load_settings())
    return list(models_asked(letter.message, policy.for_partners, policy.alias_of))


def _as_json(letter: "DeadLetter", models: list[str]) -> dict[str, Any]:
    message = letter.message
    return {
        "message_id": message.message_id,
        "request_id": letter.request_id,
        "partner_id": letter.partner_id,
        "reason": letter.reason,
        "explanation": letter.explanation,
        "error_class": letter.error_class,
        "state": letter.state.value if letter.state else "",
        "original_queue": letter.original_queue,
        "sent_at": message.sent_at.isoformat(),
        "age_seconds": round(letter.age_seconds, 1),
        "receive_count": message.receive_count,
        "first_received_at": letter.first_received_at.isoformat() if letter.first_received_at else None,
        "models": models,
        "preview": letter.preview,
    }


def _print(peeked: "Peek") -> None:
    """A few lines each, so that ids stay whole on any terminal."""
    click.echo(f"{peeked.queue}: {len(peeked.letters)} seen, about {peeked.unseen} more")
    for letter in peeked.letters:
        age, receives = timedelta(seconds=round(letter.age_seconds)), letter.message.receive_count
        named = escaped(f"request {letter.request_id or 'unknown'} of {letter.partner_id or 'an unknown partner'}")
        click.echo(f"\n{letter.message.message_id}: {named}, from {letter.original_queue or 'an unknown queue'}")
        click.echo(f"  {escaped(': '.join(filter(None, (letter.reason, letter.explanation))))}")
        first = f"{letter.first_received_at:, first on %Y-%m-%d %H:%M:%S UTC}" if letter.first_received_at else ""
        models = _models(letter)
        asked = f", asks {', '.join(models)}" if models else ""
        click.echo(f"  {age} old, received {receives} times{first}{asked}")
        click.echo(f"  {escaped(letter.preview)}")
    if peeked.reasons:
        click.echo("\n" + ", ".join(f"{count} × {escaped(reason)}" for reason, count in peeked.reasons.items()))
