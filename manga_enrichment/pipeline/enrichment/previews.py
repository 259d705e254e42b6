"""A few rows of a table for people: by title, without ids and fingerprints, the newest first.

Belongs here: which rows and columns. Stays out: how values are written (`defs/shared/tables.py`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.in_order import paths_of
from manga_enrichment.pipeline.store.object_keys import table_key

ROWS = 5
_LOOKED_AT_ONCE = 512
_NAMES = ("manga_id", "title")
_CANDIDATES = "similar_candidates"
_OF_A_TITLE = ("title", "title_ja", "authors", "demographics", "publisher_genres")


def some_titles(tables: ObjectStore, bucket: str) -> list[dict[str, Any]]:
    """Of the catalog; authors by name."""
    rows = _rows(tables, "catalog", bucket, _OF_A_TITLE)
    return [{**row, "authors": [each["name"] for each in row["authors"]]} for row in rows]


def some_candidates(tables: ObjectStore, bucket: str) -> list[dict[str, Any]]:
    """Whose list holds which titles."""
    rows = _rows(tables, _CANDIDATES, bucket, ("manga_id", "candidates"))
    titles = titles_in(tables, bucket, [row["manga_id"] for row in rows])
    return [
        {"title": titles.get(row["manga_id"], row["manga_id"]), "may be named": [c["title"] for c in row["candidates"]]}
        for row in rows
    ]


def some_answers(
    tables: ObjectStore, analysis: AnalysisType, bucket: str, catalog: pq.ParquetFile, answers: pa.Table
) -> list[dict[str, Any]]:
    """catalog, answers: the tables of this bucket, or the newest rows. With the columns that the model answered."""
    rows = newest_of(answers).to_pylist()
    if not rows:
        return []
    titles = titles_of(catalog, [row["manga_id"] for row in rows])
    shown = [
        {"title": titles.get(row["manga_id"], row["manga_id"]), **{c.name: row[c.name] for c in analysis.columns}}
        for row in rows
    ]
    return with_names(tables, bucket, [row["manga_id"] for row in rows], shown)


def newest_of(answers: pa.Table) -> pa.Table:
    """As many as are shown."""
    if answers.num_rows <= 1:
        return answers
    newest = [("answered_at", "descending"), ("manga_id", "ascending")]
    return answers.take(pc.select_k_unstable(answers, min(ROWS, answers.num_rows), newest))


def some_enriched(
    tables: ObjectStore, bucket: str, analyses: Iterable[AnalysisType], first: pa.Table
) -> list[dict[str, Any]]:
    """Of the wide table, of which these are the first rows: the title beside the first column of each analysis."""
    firsts = [analysis.columns[0].name for analysis in analyses if analysis.columns]
    rows = first.select(["manga_id", "title", "demographics", *firsts]).to_pylist()
    return with_names(tables, bucket, [row.pop("manga_id") for row in rows], rows)


def with_names(
    tables: ObjectStore, bucket: str, manga_ids: Sequence[str], rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Titles that an answer names, by name in the place of their ids: it may only name candidates.

    manga_ids: those that the rows are about.
    """
    named = any(_names_titles(value) for row in rows for value in row.values())
    stored = tables.open(table_key(_CANDIDATES, bucket)) if named else None
    if stored is None:
        return list(rows)
    lists = _found(stored.file, manga_ids, "candidates", paths_of(stored.file, "candidates", _NAMES)).values()
    names = {each["manga_id"]: each["title"] for candidates in lists for each in candidates}
    return [{name: _named(value, names) for name, value in row.items()} for row in rows]


def _names_titles(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) and "manga_id" in each for each in value)


def _named(value: Any, names: Mapping[str, str]) -> Any:
    return [names.get(each["manga_id"], each["manga_id"]) for each in value] if _names_titles(value) else value


def some_changes(
    rows: Sequence[Mapping[str, Any]], titles: Callable[[Sequence[str]], Mapping[str, str]]
) -> list[dict[str, Any]]:
    """rows: of changes. titles: by id, of those that are in the catalog."""
    named = titles([row["manga_id"] for row in rows])
    return [
        {
            "title": named.get(row["manga_id"], row["manga_id"]),
            "kind": row["kind"],
            "field": row["field"],
            "from": row["from_value"] if row["field"] else None,
            "to": row["to_value"] if row["field"] else None,
        }
        for row in rows
    ]


def titles_of(catalog: pq.ParquetFile, manga_ids: Sequence[str]) -> dict[str, str]:
    """Titles of the catalog by id; those that have left are left out."""
    return _found(catalog, manga_ids, "title")


def titles_in(tables: ObjectStore, bucket: str, manga_ids: Sequence[str]) -> dict[str, str]:
    """The same, of a bucket that may have no catalog."""
    stored = tables.open(table_key("catalog", bucket))
    return {} if stored is None else titles_of(stored.file, manga_ids)


def _found(file: pq.ParquetFile, manga_ids: Sequence[str], column: str, paths: Sequence[str] = ()) -> dict[str, Any]:
    """The column's value of each of these titles; no more is read than up to the last of them. paths: of the column,
    what of it is wanted."""
    wanted, found = set(manga_ids), dict[str, Any]()
    for batch in file.iter_batches(_LOOKED_AT_ONCE, columns=["manga_id", *(paths or [column])], use_threads=False):
        own = batch.filter(pc.is_in(batch.column("manga_id"), value_set=pa.array(wanted, pa.string())))
        found.update(zip(own.column("manga_id").to_pylist(), own.column(column).to_pylist(), strict=True))
        if len(found) == len(wanted):
            break
    return found


def _rows(tables: ObjectStore, name: str, bucket: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    stored = tables.open(table_key(name, bucket))
    if stored is None:
        return []
    first = next(stored.file.iter_batches(ROWS, columns=list(columns)), None)
    return [] if first is None else [{c: row[c] for c in columns} for row in first.to_pylist()]
