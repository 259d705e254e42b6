"""`manga-enrichment analyses list|check` and `generate`: which analyses count, and all files that follow from them.

Belongs here: the commands, which files there are. Stays out: what a document may say (`domain/analyses/documents.py`),
what stands in each file (`manga_enrichment/api/`, `pipeline/publish/docs.py`, `settings/document.py`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from manga_enrichment.cli.parameters import FullHelp, configured_analyses

if TYPE_CHECKING:
    from manga_enrichment.domain.analyses import AnalysisSet
    from manga_enrichment.domain.analyses.base import AnalysisType


@click.group(cls=FullHelp)
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


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder they go to.")
@click.option(
    "--partners",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="JSON file of partners, as for api-template.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail where a file in --out is not what would be written.")
def generate(out: Path, partners: Path | None, check: bool) -> None:
    """Write docs/ and infra/ for the analyses that count: tables, OpenAPI, request schema, templates.

    For your own analyses set MANGA_ANALYSES_DIR; of the checkout itself `make generate` renews them.
    """
    from manga_enrichment.runtime.shipped import shipped

    file = partners or shipped("infra/partners.json")
    try:
        document = json.loads(file.read_text("utf-8-sig"))
    except ValueError as error:
        raise click.ClickException(f"{file}: {error}") from error
    files = generated_files(configured_analyses(), document)
    if check:
        stale = [name for name, text in files.items() if not _is(out / name, text)]
        if stale:
            raise click.ClickException(f"not what generate writes: {', '.join(stale)}. Run make generate")
        click.echo(f"{len(files)} files in {out} are as generate writes them")
        return
    for name, text in files.items():
        _write(out / name, text)
        click.echo(out / name)


def generated_files(analyses: "AnalysisSet", partners: Mapping[str, object]) -> dict[str, str]:
    """Text by path. partners: the document of policies. Raises PolicyError."""
    from manga_enrichment.api import cloudformation
    from manga_enrichment.api.openapi.document import openapi_json
    from manga_enrichment.api.partners_stack import partners_yaml
    from manga_enrichment.api.workflow.stack import workflow_yaml
    from manga_enrichment.domain.operations.retention import retention_markdown
    from manga_enrichment.domain.requests.schemas import BATCH, schema_document
    from manga_enrichment.pipeline.publish import athena
    from manga_enrichment.pipeline.publish.docs import tables_markdown
    from manga_enrichment.settings import settings_markdown

    of_titles, for_partners = list(analyses.of_titles.values()), analyses.for_partners
    schema = schema_document(BATCH, tuple(for_partners))
    return {
        "docs/tables.md": tables_markdown(of_titles),
        "docs/settings.md": settings_markdown(),
        "docs/retention.md": retention_markdown(),
        "docs/openapi.json": openapi_json(for_partners),
        "docs/batch_analysis.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        "infra/analytics.yaml": athena.template_yaml(of_titles),
        "infra/api.yaml": cloudformation.template_yaml(partners, for_partners),
        "infra/workflow.yaml": workflow_yaml(),
        "infra/partners.yaml": partners_yaml(partners, for_partners),
    }


def _is(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text("utf-8") == text


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}. Choose another --out") from error
