"""Checks of the queues. What has just begun to be wrong is a WARN, what is still so five minutes later an ERROR.

An ERROR is told to the alerts topic (`defs/operations/alert_sensor.py`); a WARN waits until someone looks.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from manga_enrichment.defs.queues.assets import DEAD_LETTERS_ASSET, LATENCY_ASSET, REQUEST_QUEUES_ASSET
from manga_enrichment.defs.queues.redrive_job import REDRIVE_JOB
from manga_enrichment.defs.shared.metadata import markdown_table
from manga_enrichment.defs.shared.policies import store_check
from manga_enrichment.defs.shared.severity import NEXT_STEP, graded
from manga_enrichment.defs.shared.tags import QUEUE_TAG
from manga_enrichment.domain.operations.partner_latency import MOST_P95_SECONDS, WINDOW, latency_problems
from manga_enrichment.domain.operations.queue_observations import (
    QueueObservation,
    backlog_problems,
    blocked_session_problems,
    unknown_ages,
)
from manga_enrichment.domain.requests.queues import NORMAL, REQUEST_QUEUES
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.dead_letters.queue import DeadLetter, DeadLetters
from manga_enrichment.pipeline.health.partner_latency import FRESH, latency_looks
from manga_enrichment.pipeline.health.stored_looks import latest_looks

DEAD_LETTERS_ERROR_ABOVE = 50
SAMPLE = 10
CELL_CHARACTERS = 70
"""Of what a sample shows of a message: all of it may be forged."""
STALE = timedelta(minutes=15)
LASTING = timedelta(minutes=25)
"""Slow all the time in so long is an ERROR: windows of its first and last look have no request in common."""
SLOW = (
    "waiting: more runs (MANGA_QUEUE_MAX_RUNS), or a daemon that does not tick; at the model: throttles and latency in "
    "the requests table; ours: deferrals (budget, brake, claims of other runs), or a machine that is busy"
)

RECOVERY = f"""\
1. Look at the reasons: `manga-enrichment dlq peek --queue QUEUE`.
2. Mend the cause. Messages that are no requests stay what they are; tell the partner.
3. Send back what can succeed now: `manga-enrichment dlq redrive --queue QUEUE --reason REASON --dry-run`, then without
   `--dry-run`; or launch the job `{REDRIVE_JOB}` here, with
   `ops: {{redrive: {{config: {{queue: QUEUE, reasons: [REASON], limit: 100}}}}}}`.

A dead letter is kept for 14 days."""


def build_queue_checks() -> list[dg.AssetChecksDefinition]:
    return [
        _dead_letter_queue_empty(),
        _of_looks(
            "backlog_keeps_up",
            "Oldest message of the normal queue under 10 minutes, at most 100 urgent ones waiting.",
            backlog_problems,
            {NORMAL.name},
            "more runs: MANGA_QUEUE_MAX_RUNS, quota of the model, throttles in the requests table",
        ),
        _of_looks(
            "fifo_sessions_not_blocked",
            "In the FIFO queues no message stays hidden or waits without a run: what comes after it would wait too.",
            blocked_session_problems,
            {queue.name for queue in REQUEST_QUEUES if queue.is_fifo},
            f"failed or stuck runs of partner_batch_job with the tag {QUEUE_TAG} of that queue; a dead run's message "
            "comes again by itself and is dead-lettered after three receives",
        ),
        _partner_latency(),
    ]


def _dead_letter_queue_empty() -> dg.AssetChecksDefinition:
    @store_check(
        asset=DEAD_LETTERS_ASSET,
        description=f"No dead letters (WARN); at most {DEAD_LETTERS_ERROR_ABOVE} (ERROR). Looking counts as a receive.",
    )
    def dead_letter_queue_empty(
        queues: dg.ResourceParam[RequestQueue],
        requests: dg.ResourceParam[RequestStore],
        clock: dg.ResourceParam[Clock],
    ) -> dg.AssetCheckResult:
        letters = DeadLetters(queues=queues, requests=requests, clock=clock)
        counts = {queue: d.visible + d.in_flight + d.delayed for queue, d in letters.depth().items()}
        peeks = [letters.peek(queue, limit=SAMPLE) for queue, count in counts.items() if count]
        sample = [letter for peek in peeks for letter in peek.letters]
        total = sum(counts.values())
        return graded(
            total,
            warn_above=0,
            error_above=DEAD_LETTERS_ERROR_ABOVE,
            description=f"{total} dead letters",
            next_step="read why (`manga-enrichment dlq peek`), mend it, send them back (`dlq redrive`)",
            metadata={"count": total, **counts, **(_sample_metadata(sample) if total else {})},
        )

    return dead_letter_queue_empty


def _sample_metadata(sample: Sequence[DeadLetter]) -> dict[str, Any]:
    reasons = dict(Counter(letter.reason[:CELL_CHARACTERS] for letter in sample).most_common())
    found: dict[str, Any] = {"recovery": dg.MetadataValue.md(RECOVERY), "sampled": len(sample), "reasons": reasons}
    if sample:  # none is visible while somebody else looks
        found["sample"] = dg.MetadataValue.md(markdown_table([_letter_row(letter) for letter in sample]))
    return found


def _letter_row(letter: DeadLetter) -> dict[str, str]:
    """The body is left out: a partner's prompts are nobody else's business."""
    row = {
        "queue": letter.message.queue,
        "request": letter.request_id or "-",
        "partner": letter.partner_id or "-",
        "reason": letter.reason,
        "explanation": letter.explanation or "-",
        "age": f"{letter.age_seconds:.0f} s",
        "from": letter.original_queue or "-",
    }
    return {name: value[:CELL_CHARACTERS] for name, value in row.items()}


def _of_looks(
    name: str,
    description: str,
    problems_of: Callable[[Sequence[QueueObservation]], list[str]],
    aged: Collection[str],
    advice: str,
) -> dg.AssetChecksDefinition:
    @store_check(asset=REQUEST_QUEUES_ASSET, name=name, description=description)
    def check(tables: dg.ResourceParam[ObjectStore], clock: dg.ResourceParam[Clock]) -> dg.AssetCheckResult:
        now = clock.now()
        looks = [look for look in latest_looks(tables, now, 2) if now - look[0].observed_at <= STALE]
        if not looks:
            return _warning(
                f"the queues were not looked at in the last {STALE}: materialize {REQUEST_QUEUES_ASSET}", {}
            )
        latest, before = looks[0], looks[1] if len(looks) > 1 else []
        seen_at = dg.MetadataValue.timestamp(latest[0].observed_at)
        facts: dict[str, Any] = {"observed_at": seen_at, NEXT_STEP: advice}
        problems, unknown = problems_of(latest), unknown_ages(latest, aged)
        numbers = {"problems": len(problems), "unknown_ages": len(unknown)}
        if unknown and not problems:
            return _warning(f"how long messages wait is not known: {', '.join(unknown)}", {**numbers, **facts})
        return dg.AssetCheckResult(
            passed=not problems,
            severity=dg.AssetCheckSeverity.ERROR if problems_of(before) else dg.AssetCheckSeverity.WARN,
            description="; ".join(problems) or "fine",
            metadata={**numbers, **facts},
        )

    return check


def _partner_latency() -> dg.AssetChecksDefinition:
    @store_check(
        asset=LATENCY_ASSET,
        description="Of each queue 95 % are answered in time: "
        + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in MOST_P95_SECONDS.items()),
    )
    def partner_latency(tables: dg.ResourceParam[ObjectStore], clock: dg.ResourceParam[Clock]) -> dg.AssetCheckResult:
        now = clock.now()
        looks = latency_looks(tables, now, LASTING)
        found = [latency_problems(look) for look in looks]
        is_fresh = bool(looks) and now - looks[0][0].observed_at <= FRESH
        problems = found[0] if is_fresh else []
        lasts = bool(problems) and all(found) and looks[0][0].observed_at - looks[-1][0].observed_at >= WINDOW
        metadata: dict[str, Any] = {"problems": len(problems), "looks": len(looks)}
        if problems:
            metadata[NEXT_STEP] = SLOW
        return dg.AssetCheckResult(
            passed=not problems,
            severity=dg.AssetCheckSeverity.ERROR if lasts else dg.AssetCheckSeverity.WARN,
            description="; ".join(problems) or ("fine" if is_fresh else "nobody was answered lately"),
            metadata=metadata,
        )

    return partner_latency


def _warning(description: str, metadata: Mapping[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, description=description, metadata=metadata
    )
