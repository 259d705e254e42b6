"""Candidate lists from the Arrow table `similar_candidates`.

Belongs here: conversion, and reading a bucket's table. Stays out: the columns' meaning
(`domain/prompts/candidates.py`), which lists are in it (`refresh.py`).
"""

import pyarrow as pa

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import table_key

_LISTS_AT_ONCE = 128
"""As dicts, each list takes some 10 KB."""


def candidates_from_table(table: pa.Table) -> dict[str, tuple[Candidate, ...]]:
    """The lists by manga_id, in their stored order."""
    return {
        row["manga_id"]: tuple(Candidate(each["manga_id"], each["title"], each["hint"]) for each in row["candidates"])
        for batch in table.select(["manga_id", "candidates"]).to_batches(max_chunksize=_LISTS_AT_ONCE)
        for row in batch.to_pylist()
    }


def read_candidates(tables: ObjectStore, bucket: str) -> dict[str, tuple[Candidate, ...]]:
    """manga_id -> candidates, best first; empty when the bucket has no candidate table yet."""
    stored = tables.read(table_key("similar_candidates", bucket))
    return {} if stored is None else candidates_from_table(stored.table)


def has_candidates(tables: ObjectStore, bucket: str) -> bool:
    """Whether the bucket has a candidate table."""
    return tables.read(table_key("similar_candidates", bucket), ["manga_id"]) is not None
