"""From the ledger to the tables: answers, outcomes and the requests log of one analysis and bucket.

Order matters: the log first, then the answers, then the outcomes. A kill in between is mended by the next run, which
finds the same entries in the ledger and not in the table; every step written twice gives the same objects.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.status import PartitionStatus, StatusStore
from manga_enrichment.pipeline.catalog.reader import read_ids
from manga_enrichment.pipeline.enrichment.bucket_numbers import BucketNumbers
from manga_enrichment.pipeline.enrichment.outcomes import OutcomeRows
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow, read_plan
from manga_enrichment.pipeline.enrichment.previews import some_answers
from manga_enrichment.pipeline.log.append import log_entries, log_rows
from manga_enrichment.pipeline.log.rows import row_identity, unsent_row
from manga_enrichment.pipeline.log.unledgered import read_unledgered
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.object_keys import outcomes_key, table_key
from manga_enrichment.pipeline.store.rows import OUTCOME_SCHEMA, answer_row, answer_schema, merge_rows


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
        unledgered = read_unledgered(self._tables, provenance.run_id, sources, bucket)
        log_entries(self._tables, entries.values())
        log_rows(self._tables, provenance, unledgered)
        ids = read_ids(self._tables, bucket)
        planned = {row.manga_id: row for row in plan if analysis.name in row.fills}
        table, new_rows = self._write_answers(analysis, bucket, planned, entries, ids)
        rows = OutcomeRows(analysis.name, planned, entries, unledgered, provenance.run_id, self._clock.now())
        self._write_outcomes(analysis.name, bucket, rows, ids, table, provenance)
        own = [row for row in unledgered if row["analysis"] == analysis.name]
        report = self._report(analysis, bucket, table, new_rows, rows, entries, own, provenance)
        self._put_status(report, provenance)
        return report

    def write_log(self, analysis: AnalysisType, bucket: str, provenance: Provenance) -> WriteReport:
        """Log the requests of a combined analysis; its answers are in its parts' tables."""
        plan = read_plan(self._tables, provenance.run_id, bucket, [analysis.name, *analysis.parts])
        entries = [entry for entry in self._entries(plan).values() if entry.analysis == analysis.name]
        unledgered = read_unledgered(self._tables, provenance.run_id, [analysis.name], bucket)
        log_entries(self._tables, entries)
        log_rows(self._tables, provenance, unledgered)
        decided = {entry.manga_id for entry in entries}
        undecided = {row["manga_id"]: row for row in unledgered if row["manga_id"] not in decided}.values()
        outcomes = Counter([*(entry.outcome.value for entry in entries), *(row["status"] for row in undecided)])
        error_classes = [*(entry.error_class for entry in entries), *(row["error_class"] for row in undecided)]
        report = WriteReport(
            analysis=analysis.name,
            bucket=bucket,
            new_rows=outcomes[Outcome.SUCCEEDED.value],
            numbers=BucketNumbers.of(entries, unledgered, provenance.run_id),
            outcomes=dict(outcomes),
            error_classes=dict(Counter(name for name in error_classes if name)),
        )
        self._put_status(report, provenance)
        return report

    def _entries(self, plan: Sequence[PlanRow]) -> dict[str, LedgerEntry]:
        asked = [row.fingerprint for row in plan if row.fingerprint]
        return self._ledger.get_many(asked) if asked else {}

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

        def merged(current: pa.Table | None) -> pa.Table:
            return merge_rows(current, rows, ids, answer_schema(analysis))

        return rewrite_table(self._tables, table_key(analysis.name, bucket), merged), len(rows)

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

        def merged(current: pa.Table | None) -> pa.Table:
            table_rows, changed = rows.merged(current, ids, answers)
            log_rows(self._tables, provenance, _unsent_rows(changed, analysis, bucket, provenance))
            return pa.Table.from_pylist(table_rows, schema=OUTCOME_SCHEMA)

        written = rewrite_table(self._tables, outcomes_key(analysis, bucket), merged)
        lost = written.filter(pc.field("error_class") == ErrorClass.UNANSWERABLE.value).to_pylist()
        if given_up := rows.given_up(bucket, provenance, lost):
            self._ledger.put_many(given_up, None)

    def _report(
        self,
        analysis: AnalysisType,
        bucket: str,
        table: pa.Table,
        new_rows: int,
        rows: OutcomeRows,
        entries: Mapping[str, LedgerEntry],
        unledgered: Sequence[Mapping[str, Any]],
        provenance: Provenance,
    ) -> WriteReport:
        numbers = BucketNumbers.of(
            [entry for entry in entries.values() if entry.analysis == analysis.name], unledgered, provenance.run_id
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
            preview=some_answers(self._tables, analysis, bucket, table),
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
            yield unsent_row(
                row_identity(manga_id=row["manga_id"], analysis=analysis, bucket=bucket, provenance=provenance),
                status=row["outcome"],
                at=row["decided_at"],
                message=row["reason"],
            )
