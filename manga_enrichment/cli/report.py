"""`manga-enrichment report`: the report as a file on this machine, made now."""

from pathlib import Path
from uuid import uuid4

import click

from manga_enrichment.cli.parameters import configured_analyses, open_configured_gateways


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("enrichment_report.html"),
    show_default=True,
    help="Where the file goes.",
)
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
def report(out: Path, show: bool) -> None:
    """Write the report of coverage, cost, speed, queues and failures as one HTML file. Asks no model."""
    from manga_enrichment.pipeline.report.links import Links
    from manga_enrichment.pipeline.report.make import make_report
    from manga_enrichment.pipeline.report.page import report_html
    from manga_enrichment.settings import known_models, load_settings

    settings, gateways = load_settings(), open_configured_gateways()
    facts = make_report(
        f"report-{uuid4()}",
        tables=gateways.tables,
        ledger=gateways.ledger,
        budget=gateways.budget,
        clock=gateways.clock,
        analyses=configured_analyses().of_titles,
        models=known_models(settings),
        settings=settings,
    )
    html = report_html(facts, Links(settings.dagster_url, settings.browse_url))
    try:
        out.write_text(html, "utf-8")
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}. Choose another --out") from error
    click.echo(f"{out}: {len(html) / 1000:.0f} kB")
    if show:
        click.launch(str(out))
