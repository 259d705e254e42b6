"""From the ledger to the tables: answers, outcomes and the requests log of one analysis and bucket.

Order matters: the log first, then the answers, then the outcomes. A kill in between is mended by the next run, which
finds the same entries in the ledger and not in the table; every step written twice gives the same objects.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import Outcome
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.status import PartitionStatus, StatusStore
from manga_enrichment.pipeline.catalog.reader import read_ids
from manga_enrichment.pipeline.engine.tally import BucketNumbers
from manga_enrichment.pipeline.enrichment.outcomes import OutcomeRows
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow, read_plan
from manga_enrichment.pipeline.store.conditional_writes import CONFLICT_TRIES, append_requests, replace_table
from manga_enrichment.pipeline.store.object_keys import outcomes_key, requests_key, results_key, table_key
from manga_enrichment.pipeline.store.rows import (
    OUTCOME_SCHEMA,
    UNSENT,
    answer_row,
    answer_schema,
    merge_rows,
    request_rows,
)

_PREVIEW_ROWS = 5


@dataclass(slots=True)
class WriteReport:
    """One analysis and bucket after the write. new_rows: answers that were not in the table before."""

    analysis: str
    bucket: str
    rows: int = 0
    new_rows: int = 0
    numbers: BucketNumbers = field(default_factory=BucketNumbers)
    outcomes: dict[str, int] = field(default_factory=dict)
    error_classes: dict[str, int] = field(default_factory=dict)
    uri: str = ""
    preview: list[dict[str, Any]] = field(default_factory=list)


class Writing:
    """Writes what a run's plan and the ledger say."""

    def __init__(
        self,
        *,
        tables: ObjectStore,
        ledger: ResultLedger,
        status: StatusStore,
        clock: Clock,
        analyses: Mapping[str, AnalysisType],
    ) -> None:
        self._tables = tables
        self._ledger = ledger
        self._status = status
        self._clock = clock
        self._analyses = analyses

    def write(self, analysis: AnalysisType, bucket: str, provenance: Provenance) -> WriteReport:
        """Bring table, outcomes and log of one single analysis and bucket up to date.

        Every request that the rows rest on is logged before them, those of combined calls too: once the table is up to
        date, no later run looks at them again.
        """
        combined = [name for name, other in self._analyses.items() if analysis.name in other.parts]
        sources = [analysis.name, *combined]
        plan = read_plan(self._tables, provenance.run_id, bucket, sources)
        entries = self._entries(plan)
        leftovers = self._leftovers(provenance.run_id, sources, bucket)
        self._log_entries(entries.values())
        self._log(provenance, bucket, leftovers)
        ids = read_ids(self._tables, bucket)
        planned = {row.manga_id: row for row in plan if analysis.name in row.fills}
        table, new_rows = self._write_answers(analysis, bucket, planned, entries, ids)
        rows = OutcomeRows(analysis.name, planned, entries, leftovers, provenance.run_id, self._clock.now())
        self._write_outcomes(analysis.name, bucket, rows, ids, table, provenance)
        own = [row for row in leftovers if row["analysis"] == analysis.name]
        report = self._report(analysis, bucket, table, new_rows, rows, entries, own, provenance)
        self._put_status(report, provenance)
        return report

    def write_log(self, analysis: AnalysisType, bucket: str, provenance: Provenance) -> WriteReport:
        """Log the requests of a combined analysis; its answers are in its parts' tables."""
        plan = read_plan(self._tables, provenance.run_id, bucket, [analysis.name, *analysis.parts])
        entries = [entry for entry in self._entries(plan).values() if entry.analysis == analysis.name]
        leftovers = self._leftovers(provenance.run_id, [analysis.name], bucket)
        self._log_entries(entries)
        self._log(provenance, bucket, leftovers)
        decided = {entry.manga_id for entry in entries}
        undecided = {row["manga_id"]: row for row in leftovers if row["manga_id"] not in decided}.values()
        outcomes = Counter([*(entry.outcome.value for entry in entries), *(row["status"] for row in undecided)])
        error_classes = [*(entry.error_class for entry in entries), *(row["error_class"] for row in undecided)]
        report = WriteReport(
            analysis=analysis.name,
            bucket=bucket,
            new_rows=outcomes[Outcome.SUCCEEDED.value],
            numbers=BucketNumbers.of(entries, leftovers, provenance.run_id),
            outcomes=dict(outcomes),
            error_classes=dict(Counter(name for name in error_classes if name)),
        )
        self._put_status(report, provenance)
        return report

    def _entries(self, plan: Sequence[PlanRow]) -> dict[str, LedgerEntry]:
        asked = [row.fingerprint for row in plan if row.fingerprint]
        return self._ledger.get_many(asked) if asked else {}

    def _leftovers(self, run_id: str, analyses: Iterable[str], bucket: str) -> list[dict[str, Any]]:
        stored = (self._tables.read(results_key(run_id, name, bucket)) for name in analyses)
        return [row for found in stored if found is not None for row in found.table.to_pylist()]

    def _write_answers(
        self,
        analysis: AnalysisType,
        bucket: str,
        planned: Mapping[str, PlanRow],
        entries: Mapping[str, LedgerEntry],
        ids: set[str],
    ) -> tuple[pa.Table, int]:
        found = (entries.get(row.fingerprint) for manga_id, row in planned.items() if manga_id in ids)
        rows = [answer_row(analysis, entry) for entry in found if entry and entry.outcome is Outcome.SUCCEEDED]
        key = table_key(analysis.name, bucket)
        for _ in range(CONFLICT_TRIES):
            stored = self._tables.read(key)
            table = merge_rows(stored.table if stored else None, rows, ids, answer_schema(analysis))
            if replace_table(self._tables, key, stored, table):
                return table, len(rows)
        raise WriteConflictError(f"{self._tables.uri(key)} kept changing under {CONFLICT_TRIES} writes")

    def _write_outcomes(
        self,
        analysis: str,
        bucket: str,
        rows: OutcomeRows,
        ids: set[str],
        answers: pa.Table,
        provenance: Provenance,
    ) -> None:
        """Log what is new in them first: after the write nobody could tell that it was new."""
        key = outcomes_key(analysis, bucket)
        for _ in range(CONFLICT_TRIES):
            stored = self._tables.read(key)
            table_rows, changed = rows.merged(stored.table if stored else None, ids, answers)
            self._log(provenance, bucket, _unsent_rows(changed, analysis, bucket, provenance))
            if replace_table(self._tables, key, stored, pa.Table.from_pylist(table_rows, schema=OUTCOME_SCHEMA)):
                return
        raise WriteConflictError(f"{self._tables.uri(key)} kept changing under {CONFLICT_TRIES} writes")

    def _log_entries(self, entries: Iterable[LedgerEntry]) -> None:
        """Log attempts under the run that paid for them, also when that run was killed before it could."""
        by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in entries:
            paid = entry.provenance
            by_key[requests_key(paid.run_date, paid.run_id, entry.analysis, entry.bucket)] += request_rows(entry)
        for key, rows in by_key.items():
            append_requests(self._tables, key, rows)

    def _log(self, provenance: Provenance, bucket: str, rows: Iterable[Mapping[str, Any]]) -> None:
        by_analysis: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            by_analysis[row["analysis"]].append(row)
        for analysis, own in by_analysis.items():
            append_requests(self._tables, requests_key(provenance.run_date, provenance.run_id, analysis, bucket), own)

    def _report(
        self,
        analysis: AnalysisType,
        bucket: str,
        table: pa.Table,
        new_rows: int,
        rows: OutcomeRows,
        entries: Mapping[str, LedgerEntry],
        leftovers: Sequence[Mapping[str, Any]],
        provenance: Provenance,
    ) -> WriteReport:
        numbers = BucketNumbers.of(
            [entry for entry in entries.values() if entry.analysis == analysis.name], leftovers, provenance.run_id
        )
        return WriteReport(
            analysis=analysis.name,
            bucket=bucket,
            rows=table.num_rows,
            new_rows=new_rows,
            numbers=numbers,
            outcomes=dict(rows.outcomes),
            error_classes=dict(rows.error_classes),
            uri=self._tables.uri(table_key(analysis.name, bucket)),
            preview=table.slice(0, _PREVIEW_ROWS).to_pylist(),
        )

    def _put_status(self, report: WriteReport, provenance: Provenance) -> None:
        unfinished = report.outcomes.get(Outcome.DEFERRED.value, 0) + report.outcomes.get(Outcome.FAILED.value, 0)
        self._status.put_partition(
            PartitionStatus(
                analysis=report.analysis,
                bucket=report.bucket,
                status="partially_completed" if unfinished else "completed",
                run_id=provenance.run_id,
                trigger=provenance.trigger,
                updated_at=self._clock.now(),
                counts=report.outcomes,
                cost_micro_usd=report.numbers.cost_micro_usd,
                error_class=next(iter(report.error_classes), ""),
            )
        )


def _unsent_rows(
    changed: Iterable[Mapping[str, Any]], analysis: str, bucket: str, provenance: Provenance
) -> Iterable[dict[str, Any]]:
    """Requests rows for titles that were decided without a request: too little text."""
    for row in changed:
        if row["outcome"] == Outcome.INSUFFICIENT_INPUT.value:
            yield {
                **UNSENT,
                "manga_id": row["manga_id"],
                "analysis": analysis,
                "bucket": bucket,
                "fingerprint": None,
                "status": row["outcome"],
                "message": row["reason"],
                "from_cache": False,
                "started_at": row["decided_at"],
                "dagster_run_id": provenance.run_id,
                "trigger": provenance.trigger,
                "partner_id": provenance.partner_id or None,
            }
