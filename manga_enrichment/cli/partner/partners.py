"""`manga-enrichment partners list|check|show|change`: what each partner may, and what it has spent.

Belongs here: the commands. Stays out: policies (`domain/requests/policies.py`), a partner's requests
(`cli/partner/requests.py`).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.parameters import FullHelp, checked_partner, configured_analyses, open_configured_gateways

if TYPE_CHECKING:
    from manga_enrichment.domain.requests.policies import Policies

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON line instead of words.")
_PARTNER = click.argument("partner", callback=checked_partner)


@click.group(cls=FullHelp)
def partners() -> None:
    """What each partner may: caps, shares, analyses, models, hosts, addresses."""


@partners.command("list")
@_JSON
def list_partners(as_json: bool) -> None:
    """The partners that MANGA_PARTNERS_FILE names, with their caps and what they have spent."""
    policies = _policies()
    documents = [_document(policies, name) for name in sorted(policies.partners)]
    if as_json:
        click.echo(json.dumps(documents))
        return
    for each in documents:
        spent = ", ".join(f"{_usd(each['spent_micro_usd'][span])} this {span}" for span in ("day", "month"))
        changed = " (changed by its row)" if each["changes"] else ""
        click.echo(f"{each['partner']}: {spent}; may {json.dumps(each['policy'])}{changed}")


@partners.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=False)
def check(file: Path | None) -> None:
    """Whether FILE can be used; without it MANGA_PARTNERS_FILE, else infra/partners.json. Says all that is wrong."""
    from manga_enrichment.api.partners import read_partners
    from manga_enrichment.domain.requests.policies import PolicyError
    from manga_enrichment.runtime.shipped import shipped
    from manga_enrichment.settings import load_settings

    configured = load_settings().partners_file
    found = file or (Path(configured) if configured else shipped("infra/partners.json"))
    try:
        listed = read_partners(json.loads(found.read_text("utf-8-sig")), configured_analyses().for_partners)
    except PolicyError as error:
        raise click.ClickException("\n".join([f"{found} cannot be used:", *f"  {error}".split("; ")])) from error
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{found} cannot be read: {error}") from error
    click.echo(f"{found}: {len(listed)} partners, {sum(len(each.references) for each in listed)} keys")


@partners.command()
@_PARTNER
def show(partner: str) -> None:
    """All that counts for PARTNER, as JSON: its policy, what its row changes of it, what it has spent."""
    click.echo(json.dumps(_document(_policies(), partner), indent=2))


@partners.command()
@_PARTNER
@click.argument("changes")
def change(partner: str, changes: str) -> None:
    """Change PARTNER's policy by a row, without a deployment: CHANGES is a JSON object, {} takes the row away.

    It counts within half a minute, in place of what was changed before.
    """
    from manga_enrichment.domain.requests.policies import checked_changes

    try:
        document = json.loads(changes)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint="CHANGES") from error
    open_configured_gateways().requests.change_policy(
        partner, checked_changes(document, configured_analyses().for_partners)
    )
    click.echo(json.dumps(_document(_policies(), partner)["policy"]))


@partners.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=False)
def template(file: Path | None) -> None:
    """Print infra/partners.yaml: partners' topics as a CloudFormation template. FILE, else infra/partners.json."""
    from manga_enrichment.api.partners_stack import partners_yaml
    from manga_enrichment.runtime.shipped import shipped

    found = file or shipped("infra/partners.json")
    click.echo(partners_yaml(json.loads(found.read_text("utf-8-sig")), configured_analyses().for_partners), nl=False)


@partners.command()
def mail_templates() -> None:
    """Put the templates of mail into SES, or bring them up to date. Needed where MANGA_EMAIL_FROM is set."""
    from manga_enrichment.domain.callbacks.mail import TEMPLATES

    open_configured_gateways().mailer.put_templates()
    click.echo(", ".join(each.name for each in TEMPLATES))


@partners.command()
def move_results() -> None:
    """Copy result documents of releases before 0.3.0 below their partners, where the API hands them out. Once."""
    from manga_enrichment.pipeline.partner.stored.moving import move_old_results

    gateways = open_configured_gateways()
    counts = move_old_results(gateways.tables, gateways.clock.now())
    click.echo(", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "there are none")


def _policies() -> "Policies":
    from manga_enrichment.settings import load_settings, partner_policies

    return partner_policies(load_settings())


def _document(policies: "Policies", partner: str) -> dict[str, Any]:
    from manga_enrichment.domain.requests.policies import checked_changes
    from manga_enrichment.pipeline.engine.money.budget import partner_counter, partner_month_counter

    gateways = open_configured_gateways()
    today = gateways.clock.now().date().isoformat()
    counters = {"day": partner_counter(partner, today), "month": partner_month_counter(partner, today)}
    changes = gateways.requests.policy_changes(partner)
    return {
        "partner": partner,
        "policy": policies.of(partner).changed(checked_changes(changes, None)).to_document(),
        "changes": changes,
        "spent_micro_usd": {span: gateways.budget.spent(counter)[1] for span, counter in counters.items()},
    }


def _usd(micro_usd: int) -> str:
    return f"${micro_usd / 1_000_000:.6f}"
