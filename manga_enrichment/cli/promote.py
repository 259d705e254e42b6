"""`manga-enrichment promote` and `canary`: a tried prompt or model takes the place of today's, a part first.

Belongs here: files of documents and settings, and words. Stays out: the change (`domain/trials/promotion.py`), what
follows from it (`pipeline/trials/promoting.py`).
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from manga_enrichment.cli.parameters import FullHelp, configured_analyses, open_configured_gateways, text_of

if TYPE_CHECKING:
    from manga_enrichment.domain.analyses import AnalysisSet
    from manga_enrichment.domain.trials.canary import Canary
    from manga_enrichment.domain.trials.contenders import Contender
    from manga_enrichment.domain.trials.promotion import Change
    from manga_enrichment.gateways.status import StatusStore
    from manga_enrichment.pipeline.trials.promoting import Promotion
    from manga_enrichment.settings import Settings

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--analysis", required=True, help="The analysis that changes, for example reading_level.")
@click.option("--candidate", type=_FILE, help="Its new document (TOML); goes to MANGA_ANALYSES_DIR.")
@click.option("--model", default="", help="Alias or id that it is asked of at night; goes to MANGA_LANE_MODELS.")
@click.option("--env-file", type=click.Path(path_type=Path, dir_okay=False), help="File that sets MANGA_ variables.")
@click.option("--canary", type=click.FloatRange(0, 50), default=5.0, show_default=True, help="% of titles; 0: none.")
@click.option("--may-drift", multiple=True, help="A column that is meant to change; may be repeated.")
@click.option("--write", is_flag=True, help="Write the change and start the canary; without it, only show both.")
def promote(
    *,
    analysis: str,
    candidate: Path | None,
    model: str,
    env_file: Path | None,
    canary: float,
    may_drift: tuple[str, ...],
    write: bool,
) -> None:
    """Put a tried document or model in the place of today's: as a diff, with what nights will then ask and cost.

    A canary asks a part of the titles first. The rest follows when the check answers_have_not_drifted has passed.
    """
    from manga_enrichment.domain.catalog.records import bucket_keys
    from manga_enrichment.pipeline.trials.promoting import forecast_sentences
    from manga_enrichment.settings import load_settings

    settings, analyses = load_settings(), configured_analyses()
    contender = _contender(analyses, analysis, candidate, model, settings)
    changes = _changes(contender, candidate, model, env_file, settings)
    promotion = _promotion(contender, candidate, model, settings)
    promotion.check()
    gateways, buckets = open_configured_gateways(), bucket_keys(settings.catalog_buckets)
    now = gateways.clock.now()
    started = promotion.canary(gateways.tables, buckets, canary, now, may_drift) if canary else None
    for change in changes:
        click.echo(change.diff, nl=False)
    forecast = promotion.forecast(gateways.tables, gateways.ledger, buckets, [started] if started else [])
    for sentence in forecast_sentences(forecast):
        click.echo(sentence)
    if write:
        _put(changes, started, gateways.status)
    else:
        click.echo("Nothing was written: repeat with --write")


@click.group("canary", cls=FullHelp)
def canary_group() -> None:
    """Canaries of promoted prompts and models: how they stand, and accepting what one found."""


@canary_group.command("status")
def canary_status() -> None:
    """How the canary of each analysis stands."""
    status, analyses = open_configured_gateways().status, configured_analyses().of_titles
    found = [canary for name in analyses if (canary := status.canary(name)) is not None]
    for each in found:
        what = f"{each.state.value}, version {each.version} of {each.model_id}, {each.percent:g} %"
        click.echo(f"{each.analysis}: {what}: {each.said or each.reason}")
    if not found:
        click.echo("There is no canary")


@canary_group.command("accept")
@click.argument("analysis")
@click.option("--because", required=True, help="Why what it found is wanted.")
def canary_accept(analysis: str, because: str) -> None:
    """Let the rest of ANALYSIS be asked although its canary failed, or has not been judged."""
    from manga_enrichment.domain.trials.canary import CanaryState

    status = open_configured_gateways().status
    canary = status.canary(analysis)
    if canary is None:
        raise click.ClickException(f"there is no canary of {analysis!r}")
    if not status.judge_canary(replace(canary, state=CanaryState.PASSED, said=f"accepted: {because}")):
        raise click.ClickException("another canary was started in between: look at it first")
    click.echo(f"The next night asks the rest of {analysis}")


def _contender(
    analyses: "AnalysisSet", name: str, candidate: Path | None, model: str, settings: "Settings"
) -> "Contender":
    """Raises ConfigurationError."""
    from manga_enrichment.domain.trials.contenders import Contender, check_contenders
    from manga_enrichment.domain.trials.documents import entered
    from manga_enrichment.settings import known_models

    models, tried = known_models(settings), analyses.get(name)
    documents = {candidate.name: text_of(candidate)} if candidate else {}
    if not documents or not model:
        return entered(tried, analyses.of_titles, models, documents, [model] if model else [])[1][0]
    today, [prompt] = entered(tried, analyses.of_titles, models, documents, [])
    both = Contender(prompt.name, prompt.analysis, models.resolve(model))
    check_contenders(today, [both])
    return both


def _changes(
    contender: "Contender", candidate: Path | None, model: str, env_file: Path | None, settings: "Settings"
) -> list["Change"]:
    from manga_enrichment.domain.trials.promotion import Change, settings_change, with_model

    changes = []
    name = contender.analysis.name
    if candidate is not None:
        if not settings.analyses_dir:
            raise click.ClickException("MANGA_ANALYSES_DIR is not set: make a folder for your documents, and set it")
        path = Path(settings.analyses_dir, f"{name}.toml")
        before = path.read_text("utf-8") if path.exists() else ""
        changes.append(Change(str(path), before, text_of(candidate), _packaged(name)))
    if model:
        if env_file is None:
            raise click.ClickException("--env-file is missing: name the file that sets MANGA_LANE_MODELS (or will)")
        text = env_file.read_text("utf-8") if env_file.exists() else ""
        changes.append(settings_change(str(env_file), text, with_model(settings.lane_models, name, model)))
    return changes


def _packaged(name: str) -> str:
    from importlib.resources import files

    document = files("manga_enrichment.domain.analyses.packaged").joinpath(f"{name}.toml")
    return document.read_text("utf-8") if document.is_file() else ""


def _promotion(contender: "Contender", candidate: Path | None, model: str, settings: "Settings") -> "Promotion":
    """With the change as it will be. Raises ConfigurationError."""
    from manga_enrichment.domain.trials.promotion import with_model
    from manga_enrichment.pipeline.trials.promoting import Promotion
    from manga_enrichment.settings import known_analyses, known_models

    name = contender.analysis.name
    if model:
        settings = settings.model_copy(update={"lane_models": with_model(settings.lane_models, name, model)})
    with TemporaryDirectory() as scratch:
        if candidate is not None:
            folder = Path(scratch, "analyses")
            shutil.copytree(settings.analyses_dir, folder)
            shutil.copyfile(candidate, folder / f"{name}.toml")
            settings = settings.model_copy(update={"analyses_dir": str(folder)})
        return Promotion(contender, known_analyses(settings).of_titles, known_models(settings))


def _put(changes: Sequence["Change"], started: "Canary | None", status: "StatusStore") -> None:
    """The canary first: a night that begins in between would ask for everything."""
    if started is not None:
        status.put_canary(started)
        click.echo(
            f"The canary asks {started.percent:g} % of titles; the rest waits for the check answers_have_not_drifted"
        )
    for change in changes:
        _write(Path(change.path), change)
    click.echo("Restart the code server and the commands' shells with the new settings")


def _write(path: Path, change: "Change") -> None:
    """Whole, or not at all."""
    scratch = path.with_name(f"{path.name}.new")
    try:
        scratch.write_text(change.after, "utf-8")
        scratch.replace(path)
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written: {error.strerror}. The canary waits until it is"
        ) from error
    click.echo(f"{path} is written")
