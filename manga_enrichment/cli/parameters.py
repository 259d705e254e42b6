"""What commands have in common: parameter types, help, and the gateways they work on.

Belongs here: only what two commands need. Imports happen inside functions: `--help` should not wait for boto3.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from manga_enrichment.aws.gateways import Gateways
    from manga_enrichment.domain.analyses import AnalysisSet
    from manga_enrichment.settings import Settings


class FullHelp(click.Group):
    """Lists commands with their whole first sentence: click cuts it at the width of the terminal."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, each.get_short_help_str(limit=1_000)) for name, each in found if each and not each.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def checked_partner(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Callback of a parameter that the envelope of a request will carry."""
    from manga_enrichment.domain.requests.reading.envelope import is_partner_id

    if not is_partner_id(value):
        raise click.BadParameter(f"{value!r} is no partner id: up to 63 letters, digits, - and _, no - or _ first")
    return value


def text_of(file: Path) -> str:
    """Raises ClickException for a file that is not readable as UTF-8."""
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} cannot be read as UTF-8 text: {error}") from error


def configured_analyses(settings: "Settings | None" = None) -> "AnalysisSet":
    """The packaged ones and those of MANGA_ANALYSES_DIR. Raises ConfigurationError."""
    from manga_enrichment.settings import known_analyses, load_settings

    return known_analyses(settings or load_settings())


def open_configured_gateways() -> "Gateways":
    """As the environment says. Raises ConfigurationError."""
    from manga_enrichment.aws.gateways import open_gateways
    from manga_enrichment.settings import load_settings

    return open_gateways(load_settings())
