"""Rows of `partner_results` that lie with those of other requests: found by what they say, not by their object's key.

Belongs here: reading every version of such an object, what is left of one. Stays out: which requests go (`find.py`),
objects of one request (`objects.py`).
"""

import io
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.gateways.erasure import Erasure, ObjectVersion
from manga_enrichment.pipeline.store.hour_keys import group_of
from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT

RESULT_ROWS = f"{TABLES_ROOT}/partner_results/"
READERS = 16
_OF_A_REQUEST = ("request_id", "partner_id", "analysis", "completed_at", "dagster_run_id")


def shared_tables(erasure: Erasure, columns: Sequence[str]) -> Iterator[tuple[ObjectVersion, pa.Table]]:
    """Every version of every object with rows of several requests."""

    def read(version: ObjectVersion) -> pa.Table | None:
        body = erasure.read(version)
        return None if body is None else pq.read_table(io.BytesIO(body), columns=list(columns))

    shared = [each for each in erasure.versions(RESULT_ROWS) if group_of(each.key) and not each.is_marker]
    with ThreadPoolExecutor(READERS) as pool:
        for version, table in zip(shared, pool.map(read, shared), strict=True):
            if table is not None:
                yield version, table


def a_row_of_each(erasure: Erasure, may_want: Callable[[str], bool]) -> dict[str, dict[str, Any]]:
    """By request id. may_want: whether more is to be learned of a request."""
    found: dict[str, dict[str, Any]] = {}
    for _version, table in shared_tables(erasure, _OF_A_REQUEST):
        ids = set(table.column("request_id").unique().to_pylist())
        wanted = {each for each in ids - found.keys() if may_want(each)}
        for row in only(table, wanted).to_pylist() if wanted else ():
            found.setdefault(row["request_id"], row)
    return found


def fingerprints_of(erasure: Erasure, noted: dict[str, Collection[int]]) -> set[str]:
    """Of the answers at these positions of these requests."""
    rows = (
        row
        for _version, table in shared_tables(erasure, ("request_id", "position", "fingerprint"))
        for row in only(table, noted).to_pylist()
    )
    return {row["fingerprint"] for row in rows if row["position"] in noted[row["request_id"]] and row["fingerprint"]}


def only(table: pa.Table, request_ids: Collection[str]) -> pa.Table:
    return table.filter(pc.is_in(table.column("request_id"), value_set=pa.array(sorted(request_ids), pa.string())))


def without(table: pa.Table, gone: Callable[[str], bool]) -> pa.Table:
    """What is left of an object."""
    kept = [each for each in table.column("request_id").unique().to_pylist() if not gone(each)]
    return only(table, kept)
