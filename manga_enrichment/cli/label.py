"""`manga-enrichment label`: sheets for people to fill in, and what they say, read back into the store.

Belongs here: the files. Stays out: sheets (`domain/labels/sheets.py`), the store (`pipeline/labels/store.py`).
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from manga_enrichment.cli.parameters import configured_analyses, open_configured_gateways, text_of

if TYPE_CHECKING:
    from manga_enrichment.domain.analyses.base import AnalysisType
    from manga_enrichment.domain.labels.labels import Label


@click.command()
@click.option("--analysis", required=True, help="The analysis that is labelled, for example reading_level.")
@click.option("--titles", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Titles on the sheet.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same titles.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where the sheet (CSV) goes.")
@click.option("--read", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A filled sheet.")
@click.option("--by", default="", help="Who filled it in; needed with --read.")
@click.option("--correction", is_flag=True, help="They had seen the answers that they correct: readers get these.")
@click.option("--why", default="", help="A note for all of it; a cell `note` is one for its title.")
def label(
    *,
    analysis: str,
    titles: int,
    seed: int,
    out: Path | None,
    read: Path | None,
    by: str,
    correction: bool,
    why: str,
) -> None:
    """Write a sheet of titles that nobody has labelled, drawn as a trial draws them; or read a filled one back.

    Trials take what is read back for truth.
    """
    tried = configured_analyses().get(analysis)
    if tried.parts:
        raise click.ClickException(f"label the parts of {analysis}: {', '.join(tried.parts)}")
    if read is not None:
        _read(tried, read, by.strip(), why.strip(), is_correction=correction)
    elif out is not None:
        _write(tried, titles, seed, out)
    else:
        raise click.ClickException("name a file: --out for a sheet to fill in, --read for a filled one")


def _write(analysis: "AnalysisType", titles: int, seed: int, out: Path) -> None:
    from manga_enrichment.domain.labels.labels import standing
    from manga_enrichment.domain.labels.sheets import how_to_fill_in, sheet
    from manga_enrichment.pipeline.catalog.reader import check_bucket_count
    from manga_enrichment.pipeline.labels.store import read_labels
    from manga_enrichment.pipeline.trials.drawing import draw
    from manga_enrichment.settings import load_settings

    tables, buckets = open_configured_gateways().tables, load_settings().catalog_buckets
    check_bucket_count(tables, buckets)
    known = standing(read_labels(tables, analysis.name))
    sample = draw(tables, buckets, [analysis], size=titles, seed=seed, excluded=known.keys())
    text = sheet(analysis, analysis.columns, (each.record for each in sample.titles.values()))
    try:
        out.write_text(text, "utf-8-sig", newline="")
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}. Choose another --out") from error
    click.echo(
        f"{out}: {len(sample.titles)} titles; {len(known)} others have labels. Leave empty what you cannot tell."
    )
    for line in how_to_fill_in(analysis.columns):
        click.echo(f"  {line}")


def _read(analysis: "AnalysisType", file: Path, by: str, why: str, *, is_correction: bool) -> None:
    from manga_enrichment.domain.labels.labels import Label, LabelKind
    from manga_enrichment.domain.trials.truth import read_notes, read_truth
    from manga_enrichment.pipeline.labels.store import add_labels

    if not by:
        raise click.ClickException("--by is missing: say who filled the sheet in, initials are enough")
    text, gateways = text_of(file), open_configured_gateways()
    truth, notes = read_truth(text, file.name, analysis.columns), read_notes(text)
    moment, kind = gateways.clock.now(), LabelKind.CORRECTION if is_correction else LabelKind.LABEL
    labels = [
        Label(manga_id, analysis.name, name, value, by, moment, notes.get(manga_id) or why, kind)
        for manga_id, values in truth.items()
        for name, value in sorted(values.items())
    ]
    if is_correction:
        labels = [_checked(analysis, each) for each in labels]
    version = add_labels(gateways.tables, labels)[analysis.name]
    click.echo(f"{len(labels)} labels of {len(truth)} titles are kept (version {version} of {analysis.name})")


def _checked(analysis: "AnalysisType", said: "Label") -> "Label":
    """Readers get it instead of an answer, so it must be one, and have a reason."""
    from manga_enrichment.pipeline.labels.corrections import CorrectionError, check_correction

    if not said.why:
        raise click.ClickException(f"{said.manga_id}: a correction needs a reason: --why, or a cell `note`")
    try:
        return replace(said, value=check_correction(analysis, said.field, said.value))
    except CorrectionError as error:
        raise click.ClickException(f"{said.manga_id}: {error}") from error
