"""`manga-enrichment forget`: delete what is kept of a partner, a user, a request or an editor, and print a receipt."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.parameters import checked_partner, open_configured_gateways

if TYPE_CHECKING:
    from manga_enrichment.aws.gateways import Gateways
    from manga_enrichment.domain.operations.forgetting import Subject
    from manga_enrichment.domain.operations.forgetting_receipt import Receipt
    from manga_enrichment.pipeline.forgetting.forget import Forgetting


def _partner(context: click.Context, option: click.Parameter, value: str | None) -> str:
    return checked_partner(context, option, value) if value is not None else ""


@click.command()
@click.option("--partner", callback=_partner, help="All of a partner; with --user whose user is meant.")
@click.option("--user", default="", help="A user of a partner, by the partner's own id.")
@click.option("--request", "request_id", type=click.UUID, help="One request.")
@click.option(
    "--editor", default="", help="Who corrected answers or had titles asked again, by that name; what was said stays."
)
@click.option("--again", is_flag=True, help="Everything that was ever forgotten, as after a restore.")
@click.option("--old-replies", is_flag=True, help="Replies to conversations that earlier versions kept without end.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted; delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="The receipt as one JSON line, with all keys and ids.")
def forget(*, dry_run: bool, yes: bool, as_json: bool, **chosen: Any) -> None:
    """Delete for good, in every version, what is kept of a partner, a user or a request, or an editor's name.

    The receipt says what was deleted, what ends by itself and when, and what stays and why. The books stay.
    """
    others = ("request_id", "editor", "again", "old_replies")
    named = [chosen["partner"] or chosen["user"], *(chosen[each] for each in others)]
    if sum(map(bool, named)) != 1:
        raise click.UsageError(
            "name one: --partner, --user (with --partner), --request, --editor, --again or --old-replies"
        )
    from manga_enrichment.domain.operations.forgetting import StillWorkedOnError

    gateways = open_configured_gateways()
    if chosen["old_replies"]:
        _end_old_replies(gateways, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    if chosen["editor"]:
        _forget_editor(gateways, chosen["editor"], dry_run=dry_run, yes=yes, as_json=as_json)
        return
    forgetting = _forgetting(gateways)
    try:
        subject = None if chosen["again"] else _subject(forgetting, chosen)
        if not dry_run and not yes:
            _show(_receipts(forgetting, subject, dry_run=True), subject, as_json=False)
            click.confirm("Delete this for good?", abort=True, err=True)
        _show(_receipts(forgetting, subject, dry_run=dry_run), subject, as_json=as_json)
        if chosen["again"]:
            _forget_editors_again(gateways, dry_run=dry_run)
    except (LookupError, StillWorkedOnError) as error:
        raise click.ClickException(str(error)) from error


def _end_old_replies(gateways: "Gateways", *, dry_run: bool, yes: bool, as_json: bool) -> None:
    from manga_enrichment.pipeline.forgetting.old_replies import end_old_replies

    def end(*, dry_run: bool) -> int:
        now = gateways.clock.now()
        return end_old_replies(gateways.erasure, gateways.tables, gateways.ledger, now, dry_run=dry_run)

    if not dry_run and not yes:
        click.confirm(f"End the replies of {end(dry_run=True)} requests for good?", abort=True, err=True)
    count = end(dry_run=dry_run)
    sentence = f"replies of {count} requests {'would be ended' if dry_run else 'ended'}"
    click.echo(json.dumps({"requests": count, "dry_run": dry_run}) if as_json else sentence)


def _forget_editor(gateways: "Gateways", name: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    from manga_enrichment.pipeline.forgetting.editors import Named, forget_editor

    def forget(*, dry_run: bool) -> Named:
        return forget_editor(gateways.erasure, gateways.tables, name, dry_run=dry_run)

    if not dry_run and not yes:
        click.confirm(f"Take the name out of {forget(dry_run=True)}, for good?", abort=True, err=True)
    named = forget(dry_run=dry_run)
    sentence = f"the name {'would be' if dry_run else 'was'} taken out of {named}"
    click.echo(json.dumps({**asdict(named), "dry_run": dry_run}) if as_json else sentence)


def _forget_editors_again(gateways: "Gateways", *, dry_run: bool) -> None:
    from manga_enrichment.pipeline.forgetting.editors import forget_editors_again

    named = forget_editors_again(gateways.erasure, gateways.tables, dry_run=dry_run)
    if named:
        click.echo(f"editors' names: {named} had them again", err=True)


def _forgetting(gateways: "Gateways") -> "Forgetting":
    from manga_enrichment.pipeline.forgetting.forget import Forgetting

    return Forgetting(
        erasure=gateways.erasure,
        tables=gateways.tables,
        ledger=gateways.ledger,
        queues=gateways.queues,
        clock=gateways.clock,
    )


def _subject(forgetting: "Forgetting", chosen: Mapping[str, Any]) -> "Subject":
    if chosen["request_id"]:
        return forgetting.request(str(chosen["request_id"]))
    if chosen["user"]:
        return forgetting.user(chosen["user"], chosen["partner"])
    return forgetting.partner(chosen["partner"])


def _receipts(forgetting: "Forgetting", subject: "Subject | None", *, dry_run: bool) -> list["Receipt"]:
    if subject is None:
        return forgetting.again(dry_run=dry_run)
    return [forgetting.forget(subject, dry_run=dry_run)]


def _show(receipts: list["Receipt"], subject: "Subject | None", *, as_json: bool) -> None:
    """One receipt; of --again a list of them."""
    if as_json:
        documents = [each.to_document() for each in receipts]
        click.echo(json.dumps(documents if subject is None else documents[0]))
    else:
        click.echo("\n\n".join(each.text() for each in receipts) or "Nothing was ever forgotten.")
