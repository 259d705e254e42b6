"""The `outcomes` table: every title of the catalog accounted for, per analysis.

Belongs here: deciding a title's outcome from plan, ledger, unledgered attempts and table. Stays out: storing
(`write.py`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.store.arrow_types import whole
from manga_enrichment.pipeline.store.rows import OUTCOME_SCHEMA, fitted

_DECISION = ("outcome", "error_class", "reason", "lost_nights", "transient", "via", "fingerprint")
_UNANSWERABLE = "what the model gave was no answer, night after night"
LOST_NIGHTS = 3
"""So often a title's answer may be lost; then it is remembered against the title."""


class OutcomeRows:
    """Outcomes of one analysis and bucket after one run."""

    def __init__(
        self,
        analysis: str,
        planned: Mapping[str, PlanRow],
        entries: Mapping[str, LedgerEntry],
        unledgered: Sequence[Mapping[str, Any]],
        run_id: str,
        now: datetime,
        *,
        is_of_some: bool = False,
    ) -> None:
        """planned: by manga_id, what this run does about titles that lack the analysis.

        unledgered: rows of attempts, oldest first. is_of_some: titles that are not planned are as they were.
        """
        self._is_of_some = is_of_some
        self._analysis = analysis
        self._entries = entries
        self._run_id = run_id
        self._now = now
        self._unledgered = {(row["manga_id"], row["analysis"]): row for row in unledgered}
        self._planned = planned
        self.outcomes: Counter[str] = Counter()
        self.error_classes: Counter[str] = Counter()

    def merged(
        self, stored: pa.Table | None, ids: pa.Array, answers: pa.Table
    ) -> tuple[pa.Table, list[dict[str, Any]]]:
        """(all rows by manga_id, those that are new or changed). A decision that stands keeps its date and run.

        ids: of the catalog, each once.
        """
        current = OUTCOME_SCHEMA.empty_table() if stored is None else fitted(stored, OUTCOME_SCHEMA)
        current = current.filter(pc.is_in(current.column("manga_id"), value_set=ids))
        answers = answers.select(["manga_id", "fingerprint", "via"])
        stands = current.filter(self._stands(current, answers))
        undecided = ids.filter(pc.invert(pc.is_in(ids, value_set=whole(stands.column("manga_id")))))
        if self._is_of_some:
            undecided = undecided.filter(self._is_planned(undecided))
        rows, changed = self._decided(undecided.take(pc.sort_indices(undecided)), current, answers)
        parts = [stands, pa.Table.from_pylist(rows, schema=OUTCOME_SCHEMA)]
        table = pa.concat_tables(parts).sort_by("manga_id").combine_chunks()
        self.outcomes, self.error_classes = (_counts(table, name) for name in ("outcome", "error_class"))
        return table, changed

    def _is_planned(self, ids: pa.Array) -> pa.Array:
        return pc.is_in(ids, value_set=pa.array(self._planned, pa.string()))

    def _stands(self, current: pa.Table, answers: pa.Table) -> pa.Array:
        """Which rows nobody need look at: nothing is planned, and the answer is the one that they are about."""
        ids = whole(current.column("manga_id"))
        if self._is_of_some:
            return pc.invert(self._is_planned(ids))
        places = pc.index_in(ids, value_set=whole(answers.column("manga_id")))
        same = pc.equal(whole(current.column("outcome")), Outcome.SUCCEEDED.value)
        for name in ("fingerprint", "via"):
            same = pc.and_(same, pc.equal(whole(current.column(name)), whole(answers.column(name)).take(places)))
        return pc.and_(pc.fill_null(same, fill_value=False), pc.invert(self._is_planned(ids)))

    def _decided(
        self, ids: pa.Array, current: pa.Table, answers: pa.Table
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """(rows of these titles, those that are new or changed)"""
        own = (table.filter(pc.is_in(table.column("manga_id"), value_set=ids)) for table in (current, answers))
        before, answered = ({row["manga_id"]: row for row in table.to_pylist()} for table in own)
        rows, changed = [], []
        for manga_id in ids.to_pylist():
            old, answer = before.get(manga_id), answered.get(manga_id)
            found = self._decide(manga_id, None if answer is None else (answer["fingerprint"], answer["via"]))
            row = self._counted(found, old)
            if old is not None and all(old.get(name) == row[name] for name in _DECISION):
                row = old
            else:
                changed.append(row)
            rows.append(row)
        return rows, changed

    def _counted(self, row: dict[str, Any], old: Mapping[str, Any] | None) -> dict[str, Any]:
        """The row with the nights on which its answer was lost; the last of those that are allowed is final."""
        nights = (old.get("lost_nights") or 0) if old and old["fingerprint"] == row["fingerprint"] else 0
        if row["error_class"] == ErrorClass.MALFORMED_ANSWER:
            row["lost_nights"] = nights + (not nights or old is None or old["dagster_run_id"] != self._run_id)
            if row["lost_nights"] >= LOST_NIGHTS:
                row["error_class"], row["reason"] = ErrorClass.UNANSWERABLE.value, _UNANSWERABLE
                row["transient"] = row["via"] != self._analysis
        elif row["error_class"] == ErrorClass.UNANSWERABLE:
            row["lost_nights"] = nights or LOST_NIGHTS
        elif row["outcome"] != Outcome.SUCCEEDED:
            row["lost_nights"] = nights or None
        return row

    def given_up(self, bucket: str, provenance: Provenance, rows: Iterable[Mapping[str, Any]]) -> list[LedgerEntry]:
        """What is to be remembered of `rows` and is not yet. Their attempts are booked and logged without an entry."""
        return [
            LedgerEntry(
                fingerprint=row["fingerprint"],
                outcome=Outcome.FAILED,
                analysis=row["via"],
                manga_id=row["manga_id"],
                bucket=bucket,
                model_id=asked["model_id"],
                prompt_version=asked["prompt_version"],
                provenance=provenance,
                created_at=self._now,
                error_class=ErrorClass.UNANSWERABLE,
            )
            for row in rows
            if row["error_class"] == ErrorClass.UNANSWERABLE and row["fingerprint"] not in self._entries
            for asked in [self._unledgered[row["manga_id"], row["via"]]]
        ]

    def _decide(self, manga_id: str, answered: tuple[str, str] | None) -> dict[str, Any]:
        planned = self._planned.get(manga_id)
        if answered is not None and (planned is None or self._is_answer_to(planned, answered[0])):
            return self._row(manga_id, Outcome.SUCCEEDED, via=answered[1], fingerprint=answered[0])
        if planned is None:
            return self._row(manga_id, Outcome.DEFERRED, ErrorClass.STOPPED, "not looked at in this run")
        if planned.action is Action.INSUFFICIENT:
            return self._row(manga_id, Outcome.INSUFFICIENT_INPUT, reason=planned.reason)
        entry = self._entries.get(planned.fingerprint)
        if entry is not None and entry.error_class is not None:
            reason = entry.attempts[-1].message if entry.attempts else _UNANSWERABLE
            return self._failed(manga_id, planned, entry.error_class, reason)
        left = self._left(planned)
        if left is not None:
            return self._failed(manga_id, planned, *left)
        return self._row(manga_id, Outcome.DEFERRED, ErrorClass.STOPPED, "planned, but the run ended before it")

    def _left(self, planned: PlanRow) -> tuple[ErrorClass, str] | None:
        """Why a planned title has no final word yet, where that is known."""
        if planned.action is Action.PENDING:
            return ErrorClass.BATCH_PENDING, planned.reason
        if planned.action is Action.HELD:
            return ErrorClass.CANARY, planned.reason
        left = self._unledgered.get((planned.manga_id, planned.analysis))
        return (ErrorClass(left["error_class"]), left["message"] or "") if left and left["error_class"] else None

    def _is_answer_to(self, planned: PlanRow, fingerprint: str) -> bool:
        """Whether the table's row is what was planned, not an outdated answer that could not be renewed."""
        return planned.fingerprint == fingerprint

    def _failed(self, manga_id: str, planned: PlanRow, error_class: ErrorClass, message: str) -> dict[str, Any]:
        treatment = TREATMENTS[error_class]
        via_combined = planned.analysis != self._analysis
        return self._row(
            manga_id,
            treatment.outcome,
            error_class,
            message,
            via=planned.analysis,
            fingerprint=planned.fingerprint,
            transient=treatment.transient or via_combined,  # the next run asks the single analysis instead
        )

    def _row(
        self,
        manga_id: str,
        outcome: Outcome,
        error_class: ErrorClass | None = None,
        reason: str = "",
        *,
        via: str | None = None,
        fingerprint: str | None = None,
        transient: bool | None = None,
    ) -> dict[str, Any]:
        return {
            "manga_id": manga_id,
            "outcome": outcome.value,
            "error_class": error_class.value if error_class else None,
            "reason": reason or None,
            "lost_nights": None,
            "transient": outcome is Outcome.DEFERRED if transient is None else transient,
            "via": via,
            "fingerprint": fingerprint,
            "decided_at": self._now,
            "dagster_run_id": self._run_id,
        }


def _counts(table: pa.Table, name: str) -> Counter[str]:
    found = pc.value_counts(table.column(name).drop_null()).to_pylist()
    return Counter({each["values"]: each["counts"] for each in found})
