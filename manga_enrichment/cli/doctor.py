"""`manga-enrichment doctor`: what works, what is broken, what is off because a setting is empty.

Belongs here: the command. Stays out: what is looked at (`pipeline/health/doctor.py`, `domain/operations/switches.py`).
"""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    from manga_enrichment.pipeline.health.doctor import Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON line instead of words.")
def doctor(as_json: bool) -> None:
    """Look at all that a night and partners need. Changes nothing, asks no model. Exit code 1 when something is broken.

    What is off because its variable is empty is listed, too, and is no error.
    """
    from manga_enrichment.aws.gateways import open_gateways
    from manga_enrichment.domain.operations.switches import switched_off
    from manga_enrichment.pipeline.health.doctor import examine
    from manga_enrichment.settings import load_settings

    settings = load_settings()
    findings = list(examine(open_gateways(settings)))
    off = list(switched_off({name: getattr(settings, name) for name in type(settings).model_fields}))
    if as_json:
        broken = {each.subject: each.broken for each in findings if each.broken}
        works = [each.subject for each in findings if not each.broken]
        click.echo(json.dumps({"works": works, "broken": broken, "off": dict(off)}, ensure_ascii=False))
    else:
        _show(findings, off)
    sys.exit(1 if any(each.broken for each in findings) else 0)


def _show(findings: "Sequence[Finding]", off: Sequence[tuple[str, str]]) -> None:
    for each in findings:
        click.echo(escaped(f"broken  {each.subject}: {each.broken}" if each.broken else f"works   {each.subject}"))
    for variable, meaning in off:
        click.echo(f"off     {variable} is empty: {meaning}")
