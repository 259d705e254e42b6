"""Small catalogs for the tests of this folder, and their index.

Belongs here: records and lists in a line. Stays out: what is tested.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.pipeline.candidates.building import MatrixWriter
from manga_enrichment.pipeline.candidates.lists import SHOWN, Lists, write_lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Matrix
from manga_enrichment.pipeline.candidates.method import METHOD, Method
from manga_enrichment.pipeline.candidates.shared import SharedIndex
from manga_enrichment_tests.builders import BUCKET
from manga_enrichment_tests.fakes import FakeClock, MemoryTables


def record(number: int, title: str, **fields: object) -> MangaRecord:
    return MangaRecord(f"MNG-{number:08d}", title, **fields)  # type: ignore[arg-type]


def matrix_of(records: Iterable[MangaRecord], folder: Path) -> Matrix:
    folder.mkdir(parents=True, exist_ok=True)
    with MatrixWriter(Path(tempfile.mkdtemp(dir=folder))) as writer:
        writer.add((each, hash(each.title) & 0xFFFF) for each in records)
        return writer.finish({})


def index_of(records: Iterable[MangaRecord], folder: Path, method: Method = METHOD) -> Lists:
    return write_lists(matrix_of(records, folder), method)


def numbers(lists: Lists, of: MangaRecord, limit: int = SHOWN) -> list[int]:
    """The numbers of its candidates, best first."""
    return ids_of(lists, lists.first(lists.matrix.rows_of(pa.array([of.manga_id])), limit)[0])


def ids_of(lists: Lists, rows: Sequence[int] | np.ndarray) -> list[int]:  # type: ignore[type-arg]
    return [int(lists.matrix.manga_id(row).removeprefix("MNG-")) for row in rows if row != NO_TITLE]


def shared_index(
    tables: MemoryTables,
    home: Path,
    *,
    clock: FakeClock | None = None,
    holder: str = "run-1",
    full_after: int = 14,
    say: Callable[[str], None] = lambda _line: None,
) -> SharedIndex:
    """home: another one is another machine."""
    return SharedIndex(tables, [BUCKET], clock or FakeClock(), holder=holder, full_after=full_after, say=say, home=home)
