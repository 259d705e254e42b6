"""`manga-enrichment brake on|off|status`: stop all spending now, for whatever reason, and go on later.

Belongs here: the commands. Stays out: what they do (`pipeline/health/brake.py`).
"""

import json
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.cli.parameters import FullHelp, open_configured_gateways
from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    from manga_enrichment.pipeline.health.brake import BrakeHandle, BrakeReport

_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON line instead of words.")


@click.group(cls=FullHelp)
def brake() -> None:
    """Stop all spending now: nothing more is asked of a model, what is under way finishes, nothing is lost."""


@brake.command("on")
@click.option("--because", required=True, help="Why, for everyone who sees it: status, report and alerts show it.")
@click.option("--stop-jobs", is_flag=True, help="Stop the batch jobs that Bedrock works at, too.")
@_JSON
def brake_on(because: str, stop_jobs: bool, as_json: bool) -> None:
    """Stop spending, within 5 s in every run. Names the batch jobs that go on, and what they may cost."""
    _show(_handle().on(because, stop_jobs=stop_jobs), as_json=as_json)


@brake.command("off")
@_JSON
def brake_off(as_json: bool) -> None:
    """Go on: with the next run, and with requests of partners as they come again."""
    _show(_handle().off(), as_json=as_json)


@brake.command("status")
@_JSON
def brake_status(as_json: bool) -> None:
    """Whether the brake is on, since when and why, and which batch jobs Bedrock works at."""
    _show(_handle().status(), as_json=as_json)


def warn_of_brake() -> None:
    """One line on stderr while the brake is on; nothing for who may not read it."""
    from manga_enrichment.domain.errors import ConfigurationError
    from manga_enrichment.gateways.errors import StoreUnavailableError

    try:
        standing = open_configured_gateways().budget.brake()
    except (ConfigurationError, StoreUnavailableError):
        return
    if standing is not None:
        click.echo(escaped(standing.sentence()), err=True)


def _handle() -> "BrakeHandle":
    from manga_enrichment.pipeline.health.brake import BrakeHandle

    gateways = open_configured_gateways()
    return BrakeHandle(gateways.budget, gateways.tables, gateways.batch, gateways.clock)


def _show(report: "BrakeReport", *, as_json: bool) -> None:
    click.echo(json.dumps(_document(report)) if as_json else "\n".join(map(escaped, report.sentences())))


def _document(report: "BrakeReport") -> dict[str, Any]:
    standing = report.brake or report.was
    return {
        "brake": "off" if report.brake is None else "on",
        "because": standing.because if standing else None,
        "since": standing.since.isoformat() if standing else None,
        "was_on_before": report.was is not None,
        "jobs": [
            {
                "name": job.name,
                "job_id": job.job_id,
                "model_id": job.model_id,
                "status": job.status,
                "records": job.records,
                "at_most_usd": job.at_most_micro_usd / 1_000_000,
                "stopped": job.is_stopped,
            }
            for job in report.jobs
        ],
    }
