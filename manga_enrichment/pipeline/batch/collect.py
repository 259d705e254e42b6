"""From a job's output to the ledger and the requests log.

Belongs here: judging each record by the rules of the on-demand lane, booking its cost at the batch price, and settling
the job. What did not become an answer or a final refusal goes back: its claim is released, the next plan asks again.

May be interrupted anywhere and done again: entries carry only times that Bedrock or our books gave, so a second pass
writes the very same ones, which the ledger books once; the log takes each row once. One case errs on the safe side:
cost without an entry is booked again when a kill comes between its booking and `settled.json`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.batch_jobs import Lane
from manga_enrichment.domain.models.specs import ModelCatalog, ModelSpec
from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.batch import BatchReply, BatchState
from manga_enrichment.pipeline.batch.job_store import BatchJob, BatchStore, BatchTitle, Settlement, Submission
from manga_enrichment.pipeline.batch.launch import BatchGateways
from manga_enrichment.pipeline.engine.money.billing import book_record
from manga_enrichment.pipeline.engine.verdicts import judge
from manga_enrichment.pipeline.log.append import log_rows
from manga_enrichment.pipeline.log.rows import attempt_row, request_rows, row_identity

GROUP = 500
FINAL = frozenset({ErrorClass.REFUSAL, ErrorClass.CONTENT_FILTERED})
"""Permanent failures that another lane would not mend; a broken or cut answer gets its repair on demand."""
MISSING = "missing"


@dataclass(slots=True)
class _Pass:
    """One pass over the output. rows: of the log, by bucket. unledgered: cost that no entry carries."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    records: Counter[str] = field(default_factory=Counter)
    ledgered: set[str] = field(default_factory=set)
    answered: int = 0
    cost_micro_usd: int = 0
    unledgered_micro_usd: int = 0


@dataclass(frozen=True, slots=True)
class _Judged:
    """One record: the entry it becomes, or None with the attempt that was for nothing."""

    title: BatchTitle
    attempt: Attempt
    entry: LedgerEntry | None


class Collector:
    """Collects ended jobs."""

    def __init__(self, gateways: BatchGateways, analyses: Mapping[str, AnalysisType], models: ModelCatalog) -> None:
        self._to = gateways
        self._analyses = analyses
        self._models = models
        self._store = BatchStore(gateways.tables)

    def collect(self, job: BatchJob, state: BatchState, until: float) -> Settlement | None:
        """Settle the job; None when the monotonic second `until` came first: call again, what is done stays done.

        Raises StoreUnavailableError, BatchUnavailableError; UnknownModelError for a model without a row any more.
        """
        titles = self._store.titles(job.token)
        submission = self._store.submission(job.token)
        seen = _Pass()
        replies = self._to.batch.replies(job.output_prefix, submission.job_id)
        judged = self._judged(job, titles, replies, submission, state.ended_at or submission.submitted_at)
        while group := list(islice(judged, GROUP)):
            if self._to.clock.monotonic_seconds() >= until:
                return None
            self._save(job, group, seen)
        return self._settle(job, titles, state, seen)

    def _judged(
        self,
        job: BatchJob,
        titles: Mapping[str, BatchTitle],
        replies: Iterable[BatchReply],
        submission: Submission,
        ended_at: datetime,
    ) -> Iterator[_Judged]:
        """Each title once, whatever the file repeats or holds of others."""
        model = self._models.by_id(job.model_id)
        analysis = self._analyses[job.analysis]
        left = dict(titles)
        for reply in replies:
            title = left.pop(reply.record_id, None)
            if title is None:
                continue
            if reply.reply is not None:
                reply = replace(reply, reply=reply.reply.shaped_for(analysis))  # noqa: PLW2901
            attempt = _attempt(reply, job, analysis, title, model, submission.submitted_at)
            is_final = attempt.error_class is None or attempt.error_class in FINAL
            yield _Judged(title, attempt, _entry(job, title, attempt, reply, ended_at) if is_final else None)

    def _save(self, job: BatchJob, group: list[_Judged], seen: _Pass) -> None:
        entries = {each.entry.fingerprint: each.entry for each in group if each.entry is not None}
        known = self._to.ledger.get_many(list(entries))
        new = [entry for fingerprint, entry in entries.items() if known.get(fingerprint) != entry]
        stands = {**known, **(self._to.ledger.put_many(new, job.owner) if new else {})}
        for each in group:
            seen.cost_micro_usd += each.attempt.cost_micro_usd
            if each.entry is not None and stands[each.title.fingerprint] == each.entry:
                seen.records[each.entry.outcome.value] += 1
                seen.answered += each.entry.outcome is Outcome.SUCCEEDED
                seen.ledgered.add(each.title.fingerprint)
                seen.rows[each.title.bucket] += request_rows(each.entry)
                continue
            error_class = each.attempt.error_class
            seen.records[error_class.value if error_class else "answered_elsewhere"] += 1
            seen.rows[each.title.bucket].append(_wasted_row(job, each))
            if each.entry is None:  # an entry that came second was booked when it was put
                seen.unledgered_micro_usd += each.attempt.cost_micro_usd

    def _settle(self, job: BatchJob, titles: Mapping[str, BatchTitle], state: BatchState, seen: _Pass) -> Settlement:
        for rows in seen.rows.values():
            log_rows(self._to.tables, job.provenance, rows)
        self._to.ledger.release_many(
            [title.fingerprint for title in titles.values() if title.fingerprint not in seen.ledgered], job.owner
        )
        if missing := len(titles) - seen.records.total():
            seen.records[MISSING] = missing
        settlement = Settlement(
            status=state.status,
            settled_at=self._to.clock.now(),
            message=state.message,
            answered=seen.answered,
            cost_micro_usd=seen.cost_micro_usd,
            records=dict(seen.records),
        )
        if seen.unledgered_micro_usd:
            self._to.budget.spend(job.owner, seen.unledgered_micro_usd)
        self._to.budget.close(job.owner)
        self._store.put_settlement(job.token, settlement)
        return settlement


def _entry(job: BatchJob, title: BatchTitle, attempt: Attempt, reply: BatchReply, ended_at: datetime) -> LedgerEntry:
    return LedgerEntry(
        fingerprint=title.fingerprint,
        outcome=Outcome.SUCCEEDED if attempt.error_class is None else Outcome.FAILED,
        analysis=job.analysis,
        manga_id=title.manga_id,
        bucket=title.bucket,
        model_id=job.model_id,
        prompt_version=job.prompt_version,
        provenance=job.provenance,
        created_at=ended_at,
        attempts=(attempt,),
        answer=reply.reply.answer if reply.reply and attempt.error_class is None else None,
        error_class=attempt.error_class,
        lane=Lane.BATCH.value,
        why=title.why,
    )


def _attempt(
    record: BatchReply,
    job: BatchJob,
    analysis: AnalysisType,
    title: BatchTitle,
    model: ModelSpec,
    started_at: datetime,
) -> Attempt:
    """latency_ms is 0: a job says nothing of how long a single record took."""
    reply = record.reply
    if reply is None:
        error = record.error
        error_class = error.error_class if error else ErrorClass.EMPTY_ANSWER
        return Attempt(1, started_at, 0, error_class=error_class, message=(error.message if error else "")[:300])
    problem = judge(analysis, title.inputs, reply)
    estimate_micro_usd = -(-job.reserve_micro_usd // max(1, job.records))  # its share of what was set aside
    booked = book_record(reply.usage, model, estimate_micro_usd)
    return Attempt(
        number=1,
        started_at=started_at,
        latency_ms=0,
        usage=booked.usage,
        cost_micro_usd=booked.cost_micro_usd,
        error_class=problem[0] if problem else None,
        stop_reason=reply.stop_reason,
        maybe_billed=bool(booked.problem),
        message=". ".join(filter(None, (booked.problem, problem[1] if problem else "")))[:300],
    )


def _wasted_row(job: BatchJob, judged: _Judged) -> dict[str, Any]:
    """A requests row of a record that no entry keeps; `retried`, because another lane asks again."""
    title = judged.title
    identity = row_identity(
        manga_id=title.manga_id,
        analysis=job.analysis,
        bucket=title.bucket,
        provenance=job.provenance,
        fingerprint=title.fingerprint,
        model_id=job.model_id,
        prompt_version=job.prompt_version,
        lane=Lane.BATCH.value,
        why=title.why,
    )
    return attempt_row(judged.attempt, (judged.attempt,), identity=identity, status="retried")
