"""The candidate index of a catalog version: the matrix of all titles and every title's best, in one folder.

Belongs here: reading what titles are compared by from the catalog, building. Stays out: search (`pairs.py`), whose turn
it is to get a new list (`refresh.py`).
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from itertools import chain, starmap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.building import Digested, MatrixWriter
from manga_enrichment.pipeline.candidates.lists import Lists, write_lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Matrix
from manga_enrichment.pipeline.candidates.method import METHOD, Method
from manga_enrichment.pipeline.candidates.terms import Numbers
from manga_enrichment.pipeline.candidates.updating import update_lists
from manga_enrichment.pipeline.catalog.reader import open_catalog
from manga_enrichment.pipeline.catalog.tables import records_from_table

COMPARED = (
    "manga_id",
    "title",
    "title_ja",
    "title_kana",
    "title_en",
    "synonyms",
    "authors",
    "magazines",
    "publisher_genres",
    "themes",
    "demographics",
    "synopsis",
)
"""Columns of the catalog that titles are compared by, or shown with as candidates."""

COMPARED_AT_ONCE = 20_000

MOST_CHANGED = 0.2
"""Share of titles from which a full build costs no more than an update."""

_DIGESTS = f"select hash({', '.join(COMPARED)}) as digest from titles"  # noqa: S608


def digests_of(titles: pa.Table) -> Numbers:
    """64 bits for each title of what it is compared by. They change with DuckDB's version, which costs a full build."""
    with _duckdb().cursor() as connection:
        connection.register("titles", titles)
        found = connection.execute(_DIGESTS).fetchnumpy()["digest"]
    return np.asarray(found, np.uint64)


@cache
def _duckdb() -> Any:
    """One for all buckets: opening takes as long as asking."""
    import duckdb  # noqa: PLC0415 (here: a run that compares nothing need not hold it)

    return duckdb.connect(config={"threads": 1})


def digested(titles: pa.Table, digests: Numbers) -> Iterator[Digested]:
    """Records with their digests. titles: the columns COMPARED."""
    return zip(records_from_table(titles), digests.tolist(), strict=True)


def read_compared(tables: ObjectStore, buckets: Sequence[str]) -> Iterator[pa.Table]:
    """The titles of these buckets, some at a time."""
    for bucket in buckets:
        file = open_catalog(tables, bucket).file
        for batch in file.iter_batches(COMPARED_AT_ONCE, columns=list(COMPARED), use_threads=False):
            yield pa.Table.from_batches([batch]).select(list(COMPARED))


def build_index(
    tables: ObjectStore,
    buckets: Sequence[str],
    folder: Path,
    about: Mapping[str, Any],
    earlier: Lists | None = None,
    method: Method = METHOD,
    alive: Callable[[], None] = lambda: None,
) -> Lists:
    """Index the whole catalog into `folder`, which appears when all of it is written.

    earlier: an index of the same catalog, brought up to date unless too much of it has changed. about: what the index
    is of, kept in its manifest, beside `updates` since the last full build. alive: called again and again meanwhile.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        about = {**about, "digests_by": version("duckdb")}
        if not (earlier and _update(tables, buckets, unfinished, about, earlier, method)):
            with MatrixWriter(unfinished) as writer:
                for titles in read_compared(tables, buckets):
                    alive()
                    writer.add(digested(titles, digests_of(titles)))
                pa.default_memory_pool().release_unused()  # what reading took
                matrix = writer.finish({**about, "updates": 0})
            write_lists(matrix, method, alive)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Lists(Matrix(folder))


def _update(
    tables: ObjectStore, buckets: Sequence[str], folder: Path, about: dict[str, Any], earlier: Lists, method: Method
) -> bool:
    """False, and nothing written, where more than MOST_CHANGED of the titles are others than before."""
    kept, changed = _compared(tables, buckets, earlier.matrix)
    titles = len(kept) + sum(len(digests) for _, digests in changed)
    if earlier.matrix.manifest["digests_by"] != about["digests_by"] or titles - len(kept) > MOST_CHANGED * titles:
        return False
    about = {**about, "updates": earlier.matrix.manifest["updates"] + 1}
    update_lists(earlier, kept, chain.from_iterable(starmap(digested, changed)), folder, about, method)
    return True


def _compared(
    tables: ObjectStore, buckets: Sequence[str], earlier: Matrix
) -> tuple[Numbers, list[tuple[pa.Table, Numbers]]]:
    """(rows of titles that are as they were, ascending; the other titles of today with their digests)"""
    kept, changed = [np.zeros(0, np.int64)], []
    for titles in read_compared(tables, buckets):
        rows = earlier.rows_of(titles.column("manga_id").combine_chunks())
        digests = digests_of(titles)
        same = (rows != NO_TITLE) & (earlier.digests_of(rows) == digests)
        kept.append(rows[same])
        changed.append((titles.filter(pa.array(~same)), digests[~same]))
    return np.sort(np.concatenate(kept)), changed
