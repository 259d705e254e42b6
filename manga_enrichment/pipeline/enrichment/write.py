"""From the ledger to the tables: answers, outcomes and the requests log of one analysis and bucket.

Order matters: the log first, then the answers, then the outcomes. A kill in between is mended by the next run, which
finds the same entries in the ledger and not in the table; every step written twice gives the same objects.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.status import PartitionStatus, StatusStore
from manga_enrichment.pipeline.enrichment.bucket_numbers import BucketNumbers, NumbersSoFar
from manga_enrichment.pipeline.enrichment.bucket_write import BucketWrite
from manga_enrichment.pipeline.enrichment.plan_files import OpenPlan, open_plan
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.enrichment.settlement import Settlement, Written, settled_as
from manga_enrichment.pipeline.enrichment.told import Told
from manga_enrichment.pipeline.store.conditional_writes import CONFLICT_TRIES
from manga_enrichment.pipeline.store.object_keys import outcomes_key, table_key
from manga_enrichment.pipeline.store.opened_once import OpenedOnce


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
    """Writes what a run's plan and the ledger say. What ops kept is to be forgotten before they ask again."""

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
        self._of_run = OpenedOnce(tables)
        self._ledger = ledger
        self._status = status
        self._clock = clock
        self._analyses = analyses

    def forget(self) -> None:
        """Read plans and what ops kept anew."""
        self._of_run.forget()

    def write_all(
        self, analysis: AnalysisType, bucket: str, provenance: Provenance, selected: Collection[str]
    ) -> WriteReport:
        """What an analysis' op has to write of a bucket. Of a combined one that is its log, and the tables of its parts
        that the run does not select."""
        try:
            if not analysis.parts:
                return self.write(analysis, bucket, provenance)
            for part in analysis.parts:
                if part not in selected:
                    self.write(self._analyses[part], bucket, provenance)
            return self.write_log(analysis, bucket, provenance)
        finally:
            pa.default_memory_pool().release_unused()  # or so much of each bucket comes to stay, here and there

    def write(self, analysis: AnalysisType, bucket: str, provenance: Provenance) -> WriteReport:
        """Bring table, outcomes and log of one single analysis and bucket up to date.

        Every request that the rows rest on is logged before them, those of combined calls too: once the table is up to
        date, no later run looks at them again.
        """
        combined = [name for name, other in self._analyses.items() if analysis.name in other.parts]
        plan = open_plan(self._of_run, provenance.run_id, bucket, [analysis.name, *combined])
        written = self._untouched(analysis, bucket, plan) or self._brought_up_to_date(
            analysis, bucket, plan, provenance
        )
        report = WriteReport(
            analysis=analysis.name,
            bucket=bucket,
            rows=written.answers,
            new_rows=written.new_rows,
            numbers=written.numbers,
            outcomes=dict(written.outcomes),
            error_classes=dict(written.error_classes),
            uri=self._tables.uri(table_key(analysis.name, bucket)),
            preview=written.preview,
        )
        self._put_status(report, provenance)
        return report

    def _untouched(self, analysis: AnalysisType, bucket: str, plan: OpenPlan) -> Written | None:
        """A bucket that is as it was when all of it was settled: nothing is planned but what cannot be asked, and
        catalog and answers are those of then."""
        if any(action is not Action.INSUFFICIENT for _, action in plan.counts) or analysis.name not in plan.of:
            return None
        stored = self._tables.read(outcomes_key(analysis.name, bucket), ["outcome"])
        if stored is None:
            return None
        settlement = Settlement(analysis.name)
        for rows in plan.parts():
            settlement.add(rows)
        return settled_as(stored.table, settlement.of(plan.of["catalog"], plan.of[analysis.name]))

    def _brought_up_to_date(
        self, analysis: AnalysisType, bucket: str, plan: OpenPlan, provenance: Provenance
    ) -> Written:
        """Raises WriteConflictError when other writers were faster each time."""
        for tries_left in range(CONFLICT_TRIES - 1, -1, -1):
            plan.rewind()
            told = self._told(provenance, bucket, plan.asked, analysis.name)
            writing = BucketWrite(self._tables, analysis, bucket, provenance, self._clock.now(), plan)
            try:
                written, given_up = writing.write(told)
            except WriteConflictError:
                if not tries_left:
                    raise
                continue
            if given_up:
                self._ledger.put_many(given_up, None)
            return written
        raise AssertionError("the last try returns or raises")

    def write_log(self, analysis: AnalysisType, bucket: str, provenance: Provenance) -> WriteReport:
        """Log the requests of a combined analysis; its answers are in its parts' tables."""
        name = analysis.name
        plan = open_plan(self._of_run, provenance.run_id, bucket, [name, *analysis.parts])
        asked = Counter({name: plan.asked[name]}) if plan.asked[name] else Counter[str]()
        told = self._told(provenance, bucket, asked, name)
        attempts = told.attempts_of(name)
        undecided = {row["manga_id"]: row for row in attempts}
        numbers, outcomes, error_classes = NumbersSoFar(provenance.run_id), Counter[str](), Counter[str]()
        for rows in plan.parts():
            own = [row for row in rows if row.analysis == name or row.action is not Action.ASK]
            entries = [entry for entry in told.entries(own).values() if entry.analysis == name]
            numbers.add(entries)
            outcomes.update(entry.outcome.value for entry in entries)
            error_classes.update(entry.error_class for entry in entries if entry.error_class)
            for entry in entries:
                undecided.pop(entry.manga_id, None)
        told.flush()
        numbers.add_rows(attempts)
        outcomes.update(row["status"] for row in undecided.values())
        error_classes.update(row["error_class"] for row in undecided.values() if row["error_class"])
        report = WriteReport(
            analysis=name,
            bucket=bucket,
            new_rows=outcomes[Outcome.SUCCEEDED.value],
            numbers=numbers.result(),
            outcomes={each: count for each, count in outcomes.items() if count},
            error_classes=dict(error_classes),
        )
        self._put_status(report, provenance)
        return report

    def _told(self, provenance: Provenance, bucket: str, asked: Counter[str], name: str) -> Told:
        return Told(self._tables, self._ledger, provenance, bucket, asked, name, self._of_run)

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
