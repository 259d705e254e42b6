"""Results and entries: how the end of a call is put down. Pure functions."""

from dataclasses import replace
from datetime import datetime

from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.verdicts import CallOutcome


def entry_of(call: Call, outcome: CallOutcome, provenance: Provenance, now: datetime) -> LedgerEntry:
    return LedgerEntry(
        fingerprint=call.fingerprint,
        outcome=outcome.outcome,
        analysis=call.analysis.name,
        manga_id=call.manga_id,
        bucket=call.bucket,
        model_id=call.model.model_id,
        prompt_version=call.analysis.version,
        provenance=provenance,
        created_at=now,
        attempts=outcome.attempts,
        answer=outcome.answer,
        error_class=outcome.error_class,
        why=call.why,
    )


def settled(call: Call, outcome: CallOutcome, stands: LedgerEntry) -> CallResult:
    """stands: the entry that the ledger has now, this call's or one that was there first."""
    return CallResult(call, stands.outcome, stands, stands.error_class, outcome.attempts, message=outcome.message)


def unsettled(call: Call, outcome: CallOutcome, message: str) -> CallResult:
    """A passing failure: no entry."""
    return CallResult(call, outcome.outcome, None, outcome.error_class, outcome.attempts, message=message)


def unsaved(call: Call, outcome: CallOutcome, message: str) -> CallResult:
    """Paid for, and not in the ledger as far as is known: its attempts may be logged again should it be there."""
    attempts = tuple(_maybe_billed(attempt) for attempt in outcome.attempts)
    return CallResult(call, Outcome.DEFERRED, None, ErrorClass.LEDGER_UNAVAILABLE, attempts, message=message)


def deferred(call: Call, error_class: ErrorClass, message: str = "") -> CallResult:
    """Nothing was sent for it."""
    return CallResult(call, Outcome.DEFERRED, None, error_class, message=message)


def cached(call: Call, entry: LedgerEntry) -> CallResult:
    return CallResult(call, entry.outcome, entry, entry.error_class, from_cache=True)


def follower(call: Call, result: CallResult) -> CallResult:
    """The same outcome for the same question, paid for once."""
    return replace(result, call=call, attempts=(), from_cache=result.entry is not None)


def _maybe_billed(attempt: Attempt) -> Attempt:
    return replace(attempt, maybe_billed=True) if attempt.cost_micro_usd else attempt
