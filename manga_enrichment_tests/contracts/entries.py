"""Ledger entries as a run makes them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome

ANSWER: Mapping[str, Any] = {
    "summary_en": "Two friends keep a shop open.",
    "summary_ja": "友人二人が小さな店を守る。",
    "confidence": 0.85,
    "content_warnings": [],
}


def make_entry(
    fingerprint: str,
    created_at: datetime,
    *,
    cost_micro_usd: int = 1_500,
    run_id: str = "run-1",
    answer: Mapping[str, Any] | None = ANSWER,
    throttles: int = 1,
    latency_ms: int = 1_850,
) -> LedgerEntry:
    """An answer after some throttled attempts; a permanent failure when `answer` is None."""
    failed = answer is None
    attempts = [
        Attempt(number, created_at, 12, error_class=ErrorClass.THROTTLED, message="ThrottlingException: 待って")
        for number in range(1, throttles + 1)
    ]
    last = Attempt(
        throttles + 1,
        created_at,
        latency_ms,
        Usage(1_200, 180, 600, 0),
        cost_micro_usd,
        ErrorClass.REFUSAL if failed else None,
        stop_reason="end_turn" if failed else "tool_use",
    )
    return LedgerEntry(
        fingerprint=fingerprint,
        outcome=Outcome.FAILED if failed else Outcome.SUCCEEDED,
        analysis="content_summary",
        manga_id="MNG-AAAA0001",
        bucket="0003",
        model_id="global.anthropic.claude-haiku-5-5",
        prompt_version="1",
        provenance=Provenance(run_id, "2026-11-22", "schedule"),
        created_at=created_at,
        attempts=(*attempts, last),
        answer=answer,
        error_class=ErrorClass.REFUSAL if failed else None,
    )
