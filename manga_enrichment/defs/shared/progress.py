"""A run's progress where people look for it: in its log, and in its tags, which the list of runs shows.

Belongs here: saying it. Stays out: what is said (`pipeline/engine/tally.py`), how often
(`pipeline/engine/invocation.py`).
"""

from collections.abc import Callable

import dagster as dg

from manga_enrichment.defs.shared.tags import PROGRESS_TAG
from manga_enrichment.domain.durations import duration_text
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport

_CHARACTERS = 400


def progress_of(context: dg.OpExecutionContext) -> Callable[[str], None]:
    """Says one line. Dagster's database is written to for every line of the log, too."""

    def say(line: str) -> None:
        context.log.info(line)
        _tag(context, line)

    return say


def say_done(context: dg.OpExecutionContext, report: InvokeReport) -> None:
    """The tag's last word of an op, so that no estimate stays when its work is over."""
    _tag(context, f"{report.analysis}: {report.titles} titles asked in {duration_text(report.seconds)}")


def _tag(context: dg.OpExecutionContext, line: str) -> None:
    context.instance.add_run_tags(context.run_id, {PROGRESS_TAG: line[:_CHARACTERS]})
