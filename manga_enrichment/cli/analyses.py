"""`manga-enrichment analyses list|check`: which analyses count, and whether a folder of one's own can be used.

Belongs here: the commands. Stays out: what a document may say (`domain/analyses/documents.py`), the files that follow
(`cli/generate.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from manga_enrichment.cli.parameters import configured_analyses

if TYPE_CHECKING:
    from manga_enrichment.domain.analyses.base import AnalysisType


@click.group()
def analyses() -> None:
    """What may be asked of a title: the packaged analyses and those of MANGA_ANALYSES_DIR."""


@analyses.command("list")
def list_analyses() -> None:
    """Every analysis with its version, its model and the columns of its table."""
    for each in configured_analyses().for_partners.values():
        click.echo(_line(each))


@analyses.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
def check(folder: Path) -> None:
    """Whether FOLDER can be MANGA_ANALYSES_DIR. Says all that is wrong, a sentence a fault; else what it adds."""
    from manga_enrichment.domain.analyses import packaged_analyses
    from manga_enrichment.settings import load_settings
    from manga_enrichment.settings.derived import known_models

    settings = load_settings().model_copy(update={"analyses_dir": str(folder)})
    known_models(settings)
    before = {each.version for each in packaged_analyses().for_partners.values()}
    found = [each for each in configured_analyses(settings).for_partners.values() if each.version not in before]
    for each in found:
        click.echo(_line(each))
    click.echo(f"{folder}: {len(found)} analyses are new or changed; set MANGA_ANALYSES_DIR={folder}")


def _line(analysis: "AnalysisType") -> str:
    columns = ", ".join(column.name for column in analysis.columns)
    held = columns or (f"parts: {', '.join(analysis.parts)}" if analysis.parts else "on request, no table")
    return f"{analysis.name:<24} {analysis.version:<24} {analysis.model_alias:<10} {held}"
