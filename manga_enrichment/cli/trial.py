"""`manga-enrichment trial`: models and prompts tried on a sample before they are paid for.

Belongs here: reading the files, showing the table. Stays out: the trial (`pipeline/trials/run.py`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from manga_enrichment.cli.parameters import configured_analyses, open_configured_gateways, text_of

if TYPE_CHECKING:
    from rich.table import Table

    from manga_enrichment.domain.analyses.base import AnalysisType
    from manga_enrichment.domain.trials.comparison import Rows
    from manga_enrichment.domain.trials.contenders import Contender
    from manga_enrichment.domain.trials.report import TrialReport
    from manga_enrichment.pipeline.trials.run import Trials

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_WIDE = 110
"""Columns of a terminal that has room for a contender in one line."""


@click.command()
@click.option("--analysis", required=True, help="The analysis that is tried, for example reading_level.")
@click.option("--candidate", "candidates", type=_FILE, multiple=True, help="A document (TOML) of it; may be repeated.")
@click.option("--model", "models", multiple=True, help="An alias or id, asked by today's document; may be repeated.")
@click.option("--titles", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Size of the sample.")
@click.option("--truth", type=_FILE, help="CSV or JSON Lines; without it the labels that are kept.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same titles.")
@click.option("--cap-usd", type=click.FloatRange(0), default=1.0, show_default=True, help="What it may cost at most.")
@click.option("--dry-run", is_flag=True, help="Say what it would ask and cost; ask nothing.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the page here, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line instead of a table.")
def trial(  # noqa: PLR0913 (its options)
    *,
    analysis: str,
    candidates: tuple[Path, ...],
    models: tuple[str, ...],
    titles: int,
    truth: Path | None,
    seed: int,
    cap_usd: float,
    dry_run: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Ask a sample of titles under other prompts and models, and compare with today's answers and with truth.

    Its answers are in the ledger: promoting a contender pays for the rest alone, and the same trial pays once.
    """
    from manga_enrichment.domain.models.usage import micro_usd_from_usd
    from manga_enrichment.domain.outcomes.error_classes import ModelError
    from manga_enrichment.pipeline.trials.run import TrialQuestion

    tried, today, contenders = _entered(analysis, candidates, models)
    cap, known = micro_usd_from_usd(cap_usd), _truth(truth, tried)
    question = TrialQuestion(today, contenders, titles, seed, cap, known, truth is not None)
    trials = _trials(as_json=as_json)
    planned = trials.plan(question)
    if dry_run:
        click.echo(planned.sentence())
        return
    try:
        report = trials.run(question, planned, str(uuid4()))
    except ModelError as error:
        raise click.ClickException(f"{error.message}. Run the same trial again to go on") from error
    _show(trials, report, out, as_json=as_json)


def _entered(
    name: str, candidates: Sequence[Path], models: Sequence[str]
) -> "tuple[AnalysisType, Contender, list[Contender]]":
    """(the analysis, today's, those that are tried). Raises ConfigurationError."""
    from manga_enrichment.domain.trials.documents import entered
    from manga_enrichment.settings import known_models, load_settings

    analyses = configured_analyses()
    tried, documents = analyses.get(name), {file.name: text_of(file) for file in candidates}
    today, contenders = entered(tried, analyses.of_titles, known_models(load_settings()), documents, models)
    return tried, today, contenders


def _trials(*, as_json: bool) -> "Trials":
    from manga_enrichment.defs.shared.pipeline_settings import invoke_settings
    from manga_enrichment.domain.operations.quota_lanes import BACKFILL
    from manga_enrichment.pipeline.catalog.reader import check_bucket_count
    from manga_enrichment.pipeline.engine.invocation import InvokeGateways
    from manga_enrichment.pipeline.trials.run import Trials
    from manga_enrichment.settings import load_settings

    settings, gateways = load_settings(), open_configured_gateways()
    check_bucket_count(gateways.tables, settings.catalog_buckets)
    asked = InvokeGateways(gateways.ledger, gateways.budget, gateways.senders, gateways.open_model, gateways.clock)
    limits, analyses = invoke_settings(settings, BACKFILL), configured_analyses().of_titles

    def say(line: str) -> None:
        click.echo(line, err=as_json)

    return Trials(gateways.tables, asked, limits, analyses, settings.catalog_buckets, say)


def _truth(file: Path | None, analysis: "AnalysisType") -> "Rows":
    """Of a file, or what people have said (`manga-enrichment label`)."""
    from manga_enrichment.domain.trials.truth import read_truth
    from manga_enrichment.pipeline.labels.store import labelled

    known = configured_analyses().of_titles
    parts = [known[name] for name in analysis.parts] or [analysis]
    if file is None:
        return labelled(open_configured_gateways().tables, [part.name for part in parts])
    others = {column.name for each in known.values() for column in each.columns}
    return read_truth(text_of(file), file.name, [column for part in parts for column in part.columns], others)


def _show(trials: "Trials", report: "TrialReport", out: Path | None, *, as_json: bool) -> None:
    from manga_enrichment.pipeline.trials.keeping import keep_report
    from manga_enrichment.pipeline.trials.page import trial_html

    uri = keep_report(trials.tables, report)
    if out is not None:
        try:
            out.write_text(trial_html(report), "utf-8")
        except OSError as error:
            raise click.ClickException(f"{out} cannot be written: {error.strerror}. Choose another --out") from error
    if as_json:
        click.echo(json.dumps({**report.as_dict(), "page": uri}))
        return
    _print(report)
    click.echo(f"The page: {out or uri}")


def _print(report: "TrialReport") -> None:
    from rich.console import Console

    from manga_enrichment.pipeline.trials.page import trial_notes

    console = Console()
    console.print(standings_table(report, console.width))
    for note in trial_notes(report):
        click.echo(note)


def standings_table(report: "TrialReport", columns: int) -> "Table":
    """For a terminal of so many columns: where it is narrow, cells break between words and never within a figure."""
    from rich import box
    from rich.table import Table

    from manga_enrichment.pipeline.trials.page import TABLE_HEADINGS, table_row

    title = f"Trial of {report.analysis}, {report.trial_id}"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, show_edge=False, pad_edge=False)
    rows = [TABLE_HEADINGS, *map(table_row, report.standings)]
    for number, cells in enumerate(zip(*rows, strict=True)):
        longest = max(len(word) for cell in cells for word in cell.split())
        width = None if columns >= _WIDE else longest
        table.add_column(cells[0], justify="right" if number else "left", overflow="fold", width=width)
    for row in rows[1:]:
        table.add_row(*row)
    return table
