"""Unledgered attempts: what was sent or decided and is in no ledger entry.

Belongs here: keeping and logging them until the tables are written. Stays out: entries (`append.py`).
"""

from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.calls import CallResult
from manga_enrichment.pipeline.log.append import append_requests, log_rows
from manga_enrichment.pipeline.log.rows import REQUEST_SCHEMA, attempt_row, row_identity, unsent_row
from manga_enrichment.pipeline.store.object_keys import results_key, results_prefix

_ROWS_PER_TABLE = 5_000


class UnledgeredAttempts:
    """Requests rows of results that the ledger does not keep: deferrals, passing failures, answers found there."""

    def __init__(self, provenance: Provenance, clock: Clock, lane: str = "on_demand") -> None:
        self._provenance = provenance
        self._lane = lane
        self._clock = clock
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._tables: dict[str, list[pa.Table]] = {}
        self._writing = Lock()  # rows of other buckets may come meanwhile

    def add(self, result: CallResult) -> None:
        entry = result.entry
        if entry is not None and entry.provenance == self._provenance:
            return  # paid for by this run, maybe by an earlier try of its op: the ledger has every attempt
        rows = self._rows.setdefault(result.call.bucket, [])
        rows.extend(self._result_rows(result))
        if len(rows) >= _ROWS_PER_TABLE:
            self._pack(result.call.bucket)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All of them, for a caller that keeps them itself."""
        packed = [row for parts in self._tables.values() for part in parts for row in part.to_pylist()]
        return [*packed, *(row for rows in self._rows.values() for row in rows)]

    def write(self, objects: ObjectStore, analysis: str) -> None:
        """One file per bucket that has some; what an earlier try of the op left stays in it. Safe to repeat.

        What was sent is logged at once: should the run be killed before it writes its tables, nobody else will.
        """
        with self._writing:  # whoever writes a bucket now is waited for, so that all is there afterwards
            buckets = list(self._rows.keys() | self._tables.keys())
        for bucket in buckets:
            self.write_bucket(objects, analysis, bucket)

    def write_bucket(self, objects: ObjectStore, analysis: str, bucket: str) -> None:
        """The same of one bucket, to which no more will come. Safe to repeat, and from any thread."""
        with self._writing:
            if bucket in self._rows:
                self._pack(bucket)
            if bucket in self._tables:
                rows = pa.concat_tables(self._tables[bucket]).to_pylist()
                append_requests(objects, results_key(self._provenance.run_id, analysis, bucket), rows)
                log_rows(objects, self._provenance, [row for row in rows if row["attempt"]])
                del self._tables[bucket]

    def _pack(self, bucket: str) -> None:
        rows = self._rows.pop(bucket)
        self._tables.setdefault(bucket, []).append(pa.Table.from_pylist(rows, schema=REQUEST_SCHEMA))

    def _result_rows(self, result: CallResult) -> Iterator[dict[str, Any]]:
        call = result.call
        identity = row_identity(
            manga_id=call.manga_id,
            analysis=call.analysis.name,
            bucket=call.bucket,
            provenance=self._provenance,
            fingerprint=call.fingerprint,
            model_id=call.model.model_id,
            prompt_version=call.analysis.version,
            lane=self._lane,
            why=call.why,
        )
        for attempt in result.attempts:
            yield attempt_row(attempt, result.attempts, identity=identity, status=result.outcome.value)
        if not result.attempts or (result.error_class and result.attempts[-1].error_class != result.error_class):
            yield unsent_row(
                identity,
                status=result.outcome.value,
                at=self._clock.now(),
                error_class=result.error_class.value if result.error_class else None,
                message=result.message or None,
                from_cache=result.from_cache,
            )


def read_unledgered(objects: ObjectStore, run_id: str, analyses: Iterable[str], bucket: str) -> list[dict[str, Any]]:
    """The rows that a run left for these analyses and this bucket, oldest first for each analysis."""
    stored = (objects.read(results_key(run_id, name, bucket)) for name in analyses)
    return [row for found in stored if found is not None for row in found.table.to_pylist()]


def read_all_unledgered(objects: ObjectStore, run_id: str) -> list[dict[str, Any]]:
    """The rows that a run left, whatever their analysis and bucket."""
    stored = (objects.read(key) for key in objects.list_keys(results_prefix(run_id)))
    return [row for found in stored if found is not None for row in found.table.to_pylist()]
