"""`manga-enrichment submit|status|results`: a partner's view of one request.

Belongs here: sending one and what became of it. Stays out: all of a partner's (`request_group.py`), catalog buckets
(`cli/partitions.py`), dead letters (`cli/dlq.py`), callbacks (`callbacks.py`).
"""

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.brake import warn_of_brake
from manga_enrichment.cli.local_stack import local_receiver
from manga_enrichment.cli.parameters import checked_partner, open_configured_gateways
from manga_enrichment.cli.partitions import show_partitions
from manga_enrichment.domain.requests.schemas import REQUEST_SCHEMAS
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    from manga_enrichment.aws.gateways import Gateways
    from manga_enrichment.domain.requests.claims import RequestRow
    from manga_enrichment.gateways.clock import Clock
    from manga_enrichment.gateways.requests import RequestStore
    from manga_enrichment.pipeline.partner.submit import Submitted

POLL_SECONDS = 1.0
_STEPS = (RequestState.ACCEPTED, RequestState.RECEIVED, RequestState.QUEUED, RequestState.PROCESSING)

_REQUEST_ID = click.argument("request_id", type=click.UUID)
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON line instead of words.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--partner",
    callback=checked_partner,
    default="cli",
    show_default=True,
    help="Partner that the request is booked on.",
)
@click.option("--schema", type=click.Choice(REQUEST_SCHEMAS), default="batch_analysis", show_default=True)
@click.option(
    "--callback-url",
    default="",
    help="Replaces the file's own. With --local a batch without one calls the stack's receiver.",
)
@click.option("--no-check", is_flag=True, help="Send it even if it will be rejected.")
@_JSON
@click.pass_context
def submit(
    ctx: click.Context, file: Path, partner: str, schema: str, callback_url: str, no_check: bool, as_json: bool
) -> None:
    """Send the request body in FILE to the queue it belongs to, and print its request id."""
    body = read_body(file)
    if isinstance(body, dict):
        if schema == "batch_analysis" and "callback_url" not in body:
            callback_url = callback_url or local_receiver(ctx)
        body |= {"callback_url": callback_url} if callback_url else {}
    request_id = str(uuid.uuid4())
    sent = _send(file, schema, body, partner, request_id, check=not no_check)
    for warning in sent.warnings:
        click.echo(f"warning: {warning.path}: {warning.message}", err=True)
    click.echo(json.dumps({"request_id": request_id, "queue": sent.route.queue.name}) if as_json else request_id)


def _send(file: Path, schema: str, body: Any, partner: str, request_id: str, *, check: bool) -> "Submitted":
    """Raises ClickException for a body that is not valid or cannot be sent."""
    from manga_enrichment.pipeline.partner.submit import InvalidRequestError
    from manga_enrichment.pipeline.partner.submit import submit as send
    from manga_enrichment.settings import load_settings, request_policy

    gateways, policy = open_configured_gateways(), request_policy(load_settings())
    addressed: Any = {"partner_id": partner, "request_id": request_id, "now": gateways.clock.now()}
    try:
        return send(gateways.queues, schema, body, **addressed, check=check, policy=policy)
    except InvalidRequestError as error:
        lines = [f"  {problem.path}: {problem.message}" for problem in error.result.errors]
        raise click.ClickException("\n".join([f"{file} is not a valid {schema} request:", *lines])) from error
    except ValueError as error:  # what SQS does not take, which an unchecked body may be
        raise click.ClickException(f"{file} cannot be sent: {error}") from error


@click.command()
@click.argument("request_id", type=click.UUID, required=False)
@click.option("--follow", is_flag=True, help="Wait until the request has ended, with a progress bar.")
@click.option("--partitions", is_flag=True, help="Instead of a request: how each catalog bucket's last run ended.")
@click.option("--analysis", default="", help="With --partitions: of this analysis alone.")
@_JSON
def status(request_id: uuid.UUID | None, follow: bool, partitions: bool, analysis: str, as_json: bool) -> None:
    """What has become of a request. Ends with 1 when it failed or was rejected. Says it when the brake is on.

    With --partitions, and without REQUEST_ID: the state of every analysis and catalog bucket.
    """
    if partitions == (request_id is not None) or (partitions and follow) or (analysis and not partitions):
        raise click.UsageError("Say either REQUEST_ID [--follow], or --partitions [--analysis NAME].")
    warn_of_brake()
    if partitions:
        show_partitions(analysis, as_json=as_json)
    else:
        _show_request(str(request_id), follow=follow, as_json=as_json)


def _show_request(request_id: str, *, follow: bool, as_json: bool) -> None:
    gateways = open_configured_gateways()
    row = gateways.requests.get(request_id)
    if follow and not _has_ended(row):
        row = follow_request(gateways, request_id, sys.stderr.isatty())
    if row is None:
        raise click.ClickException(f"No worker has seen request {request_id} yet: it waits in its queue, or never was.")
    click.echo(json.dumps(row_document(row)) if as_json else _words(row))
    sys.exit(1 if row.state in (RequestState.FAILED, RequestState.REJECTED) else 0)


@click.command()
@_REQUEST_ID
def results(request_id: uuid.UUID) -> None:
    """Print the result document of a request as JSON."""
    from manga_enrichment.pipeline.store.object_keys import old_result_document_key

    gateways = open_configured_gateways()
    row = gateways.requests.get(str(request_id))
    key = row.result_key if row and row.result_key else old_result_document_key(str(request_id))
    document = gateways.tables.read_json(key)
    if document is None:
        state = f"it is {row.state.value}" if row else "no worker has seen it yet"
        raise click.ClickException(f"Request {request_id} has no result: {state}.")
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def follow_request(gateways: "Gateways", request_id: str, is_terminal: bool) -> "RequestRow":
    """The row once the request has ended. A line on stderr for each new state, or a bar on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not is_terminal) as progress:
        bar = progress.add_task("waiting in its queue", total=len(_STEPS), note="")

        def show(row: "RequestRow") -> None:
            done = _STEPS.index(row.state) if row.state in _STEPS else len(_STEPS)
            note = f"generation {row.generation}" if row.generation > 1 else ""
            progress.update(bar, description=row.state.value, completed=done, note=note)
            if not is_terminal:
                console.print(row.state.value)

        return poll_until_ended(gateways.requests, gateways.clock, request_id, show)


def poll_until_ended(
    requests: "RequestStore", clock: "Clock", request_id: str, show: Callable[["RequestRow"], None]
) -> "RequestRow":
    """Look every second; show is told of each change."""
    seen: tuple[Any, ...] = ()
    while True:
        row = requests.get(request_id)
        if row is not None and (row.state, row.generation) != seen:
            seen = (row.state, row.generation)
            show(row)
        if row is not None and _has_ended(row):
            return row
        clock.run(clock.sleep(POLL_SECONDS))


def row_document(row: "RequestRow") -> dict[str, Any]:
    """What a partner may know of a row."""
    return {
        "request_id": row.request_id,
        "partner_id": row.partner_id,
        "reference": row.reference or None,
        "status": row.state.value,
        "generation": row.generation,
        "counts": dict(row.counts),
        "cost_usd": row.cost_micro_usd / 1_000_000,
        "tokens": {"input": row.input_tokens, "output": row.output_tokens},
        "result_key": row.result_key or None,
        "error_class": row.error_class or None,
        "reason": row.reason or None,
        "resumes_on": row.resumes_on or None,
        "callback": row.callback_state or None,
        "queue": row.queue,
        "run_id": row.run_id or None,
        "submitted_at": row.submitted_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }


def _words(row: "RequestRow") -> str:
    counts = ", ".join(f"{count} {name}" for name, count in row.counts.items())
    lines = [f"{row.request_id}: {row.state.value}{f' ({counts})' if counts else ''}"]
    if row.reason:
        lines.append(f"  {row.error_class}: {row.reason}")
    if row.result_key:
        lines.append(f"  result: {row.result_key}, cost {row.cost_micro_usd / 1_000_000:.6f} USD")
    if row.callback_state:
        lines.append(f"  {row.callback_state}")
    return "\n".join(map(escaped, lines))


def _has_ended(row: "RequestRow | None") -> bool:
    return row is not None and is_final(row.state)


def read_body(file: Path) -> Any:
    """JSON of a request. Raises ClickException."""
    try:
        return json.loads(file.read_text("utf-8-sig"))  # some editors begin a file with a byte order mark
    except ValueError as error:
        raise click.ClickException(f"{file} is not JSON: {error}") from error
