"""Candidate lists to and from the Arrow table `similar_candidates`.

Belongs here: conversion. Stays out: the columns' meaning (`domain/prompts/candidates.py`) and where the table is kept.
"""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.prompts.candidates import CANDIDATE_COLUMNS
from manga_enrichment.pipeline.store.arrow_types import arrow_schema


def candidates_table(rows: Iterable[tuple[str, Sequence[Candidate]]]) -> pa.Table:
    """One row per title: (manga_id, its candidates, best first), sorted by manga_id as every published table is."""
    values = [
        {
            "manga_id": manga_id,
            "candidates": [
                {"manga_id": candidate.manga_id, "title": candidate.title, "hint": candidate.hint}
                for candidate in candidates
            ],
        }
        for manga_id, candidates in sorted(rows, key=lambda row: row[0])
    ]
    return pa.Table.from_pylist(values, schema=arrow_schema(CANDIDATE_COLUMNS))


def candidates_from_table(table: pa.Table) -> dict[str, tuple[Candidate, ...]]:
    """The lists by manga_id, in their stored order."""
    return {
        row["manga_id"]: tuple(Candidate(each["manga_id"], each["title"], each["hint"]) for each in row["candidates"])
        for row in table.select(["manga_id", "candidates"]).to_pylist()
    }
