"""One analysis' bucket on its way from plan and ledger to its tables, some thousand titles at a time.

Belongs here: what becomes of each slice of titles, what is put when all have passed. Stays out: which buckets need it,
reports (`write.py`), a title's outcome (`outcomes.py`).

What the slices come to waits on disk, so that each table is put whole, over the version that was read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.objects import ObjectStore, StoredFile
from manga_enrichment.pipeline.catalog.reader import open_catalog
from manga_enrichment.pipeline.enrichment.bucket_numbers import NumbersSoFar
from manga_enrichment.pipeline.enrichment.outcomes import OutcomeRows
from manga_enrichment.pipeline.enrichment.plan_files import OpenPlan, PlanRow
from manga_enrichment.pipeline.enrichment.previews import newest_of, some_answers
from manga_enrichment.pipeline.enrichment.settlement import Settlement, Written, is_settled, note_of
from manga_enrichment.pipeline.enrichment.told import Told
from manga_enrichment.pipeline.log.append import append_parts
from manga_enrichment.pipeline.log.rows import REQUEST_SCHEMA, row_identity, unsent_row
from manga_enrichment.pipeline.store.in_order import InOrder, batches_in_order
from manga_enrichment.pipeline.store.object_keys import outcomes_key, requests_key, table_key
from manga_enrichment.pipeline.store.rows import OUTCOME_SCHEMA, answer_row, answer_schema, merge_rows
from manga_enrichment.pipeline.store.spool import Spool, reader_of

_END = "\U0010ffff"
"""After every manga_id."""


class _Table:
    """A table that is replaced where anything in it changed."""

    def __init__(self, objects: ObjectStore, key: str, schema: pa.Schema) -> None:
        self._objects, self._key, self._schema = objects, key, schema
        self._stored: StoredFile | None = objects.open(key)
        self._rows = InOrder(self._stored.file if self._stored else None)
        self._is_changed = self._stored is None or not self._stored.file.schema_arrow.equals(schema)
        self.new = Spool(schema)

    def up_to(self, last: str) -> pa.Table | None:
        """The stored rows that were not seen yet, as they are stored."""
        return self._rows.between("", last)

    def add(self, before: pa.Table | None, now: pa.Table) -> None:
        self._is_changed |= not (now.num_rows == 0 if before is None else before.equals(now))
        self.new.add(now)

    def put(self, note: Mapping[bytes, bytes]) -> str:
        """Its etag. note: metadata of ours. Raises WriteConflictError."""
        stored = self._stored
        if stored is not None and not self._is_changed and (stored.file.schema_arrow.metadata or {}) == dict(note):
            return stored.etag
        rows = reader_of(self.new, self._schema.with_metadata(dict(note)))
        return self._objects.write(self._key, rows, expected_etag=stored.etag if stored else None, new=stored is None)


class BucketWrite:
    """Used once: after a conflict with another writer, a new one begins anew."""

    def __init__(
        self, tables: ObjectStore, analysis: AnalysisType, bucket: str, run: Provenance, now: datetime, plan: OpenPlan
    ) -> None:
        """plan: of the analysis and of combined ones with it."""
        self._tables, self._analysis, self._bucket, self._run, self._now = tables, analysis, bucket, run, now
        self._plan = plan
        self._catalog = open_catalog(tables, bucket)
        self._answers = _Table(tables, table_key(analysis.name, bucket), answer_schema(analysis))
        self._outcomes = _Table(tables, outcomes_key(analysis.name, bucket), OUTCOME_SCHEMA)
        self._unsent = Spool(REQUEST_SCHEMA)
        self._settlement = Settlement(analysis.name)
        self._numbers = NumbersSoFar(run.run_id)
        self._given_up: list[LedgerEntry] = []
        self._written = Written()
        self._newest = answer_schema(analysis).empty_table()

    def write(self, told: Told) -> tuple[Written, list[LedgerEntry]]:
        """(what it came to, what is to be remembered against titles). Raises WriteConflictError."""
        with ExitStack() as spools:
            for spool in (self._answers.new, self._outcomes.new, self._unsent):
                spools.enter_context(spool)
            for ids, last in self._slices():
                self._take(ids, last, told)
            told.flush()
            etag = self._answers.put({})
            append_parts(self._tables, self._log_key(), self._unsent)  # afterwards nobody could tell that it was new
            settled = self._settlement.of(self._catalog.etag, etag)
            self._written.preview = some_answers(
                self._tables, self._analysis, self._bucket, self._catalog.file, self._newest
            )
            is_noted = is_settled(self._written.outcomes) and not self._plan.is_of_some
            self._outcomes.put(note_of(settled, self._written) if is_noted else {})
        self._numbers.add_rows(told.attempts_of(self._analysis.name))
        self._written.numbers = self._numbers.result()
        return self._written, self._given_up

    def _slices(self) -> Iterator[tuple[pa.Array, str]]:
        """Ids and the last of each; in the end none, for what lies after all titles."""
        for part in batches_in_order(self._catalog.file, ["manga_id"]):
            if part.num_rows:
                ids = part.column("manga_id").combine_chunks()
                yield ids, ids[-1].as_py()
        yield pa.array([], pa.string()), _END

    def _take(self, ids: pa.Array, last: str, told: Told) -> None:
        rows = self._plan.up_to(last)
        self._settlement.add(rows)
        entries = told.entries(rows)
        self._numbers.add(entry for entry in entries.values() if entry.analysis == self._analysis.name)
        planned = {row.manga_id: row for row in rows if self._analysis.name in row.fills}
        answers = self._merged(ids, last, planned, entries)
        attempts, of_some = told.attempts(rows), self._plan.is_of_some
        run_id, now = self._run.run_id, self._now
        outcomes = OutcomeRows(self._analysis.name, planned, entries, attempts, run_id, now, is_of_some=of_some)
        before = self._outcomes.up_to(last)
        table, changed = outcomes.merged(before, ids, answers)
        self._outcomes.add(before, table)
        self._note(table, changed, outcomes)

    def _merged(
        self, ids: pa.Array, last: str, planned: Mapping[str, PlanRow], entries: Mapping[str, LedgerEntry]
    ) -> pa.Table:
        known = set(ids.filter(pc.is_in(ids, value_set=pa.array(planned, pa.string()))).to_pylist())
        found = (entries.get(row.fingerprint) for manga_id, row in planned.items() if manga_id in known)
        new = [answer_row(self._analysis, each) for each in found if each and each.outcome is Outcome.SUCCEEDED]
        before = self._answers.up_to(last)
        table = merge_rows(before, new, ids, answer_schema(self._analysis))
        self._answers.add(before, table)
        self._written.answers += table.num_rows
        self._written.new_rows += len(new)
        self._newest = newest_of(pa.concat_tables([self._newest, table]))
        return table

    def _note(self, table: pa.Table, changed: Sequence[Mapping[str, Any]], outcomes: OutcomeRows) -> None:
        unsent = list(self._unsent_rows(changed))
        self._unsent.add(pa.Table.from_pylist(unsent, schema=REQUEST_SCHEMA))
        self._written.outcomes += outcomes.outcomes
        self._written.error_classes += outcomes.error_classes
        lost = table.filter(pc.field("error_class") == ErrorClass.UNANSWERABLE.value).to_pylist()
        self._given_up += outcomes.given_up(self._bucket, self._run, lost)

    def _unsent_rows(self, changed: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Requests rows for titles that were decided without a request: too little text."""
        for row in changed:
            if row["outcome"] == Outcome.INSUFFICIENT_INPUT.value:
                yield unsent_row(
                    row_identity(
                        manga_id=row["manga_id"],
                        analysis=self._analysis.name,
                        bucket=self._bucket,
                        provenance=self._run,
                    ),
                    status=row["outcome"],
                    at=row["decided_at"],
                    message=row["reason"],
                )

    def _log_key(self) -> str:
        return requests_key(self._run.run_date, self._run.run_id, self._analysis.name, self._bucket)
