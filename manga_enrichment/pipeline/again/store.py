"""The one store of what people had asked again: a table a bucket, to which rows are added and from which none is taken.

Belongs here: adding and reading. Stays out: what a number does (`domain/prompts/again.py`), who is given one
(`pipeline/titles/press.py`).

A row is both the number that questions have from then on and the note of who wanted it, when and why. The same words
about the same analysis of a title are one wish, however often they are said: whoever repeats a command, or a run that
was killed, goes on with it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

import pyarrow as pa

from manga_enrichment.domain.prompts.again import NEVER, Numbers
from manga_enrichment.gateways.objects import ObjectStore, TableReader
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.object_keys import again_key

AGAIN_SCHEMA = pa.schema(
    [
        ("manga_id", pa.string()),
        ("analysis", pa.string()),
        ("number", pa.int64()),
        ("asked", pa.string()),
        ("by", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("because", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Press:
    """analysis: a single one. asked: what the person named, which may be a combined one with it. number: that the
    question has from then on; that from before where it was to be asked anyway. by: as the team calls them."""

    manga_id: str
    analysis: str
    number: int
    asked: str
    by: str
    at: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Presses:
    """Of one bucket, oldest first."""

    rows: tuple[Press, ...] = ()
    numbers: Mapping[str, Numbers] = field(init=False)
    """By manga_id, of titles with a number above 0."""
    _given: Mapping[tuple[str, str], Press] = field(init=False)
    _wishes: frozenset[tuple[str, str, str]] = field(init=False)

    def __post_init__(self) -> None:
        numbers: dict[str, dict[str, int]] = {}
        given: dict[tuple[str, str], Press] = {}
        for each in self.rows:
            own = numbers.get(each.manga_id, {})
            if each.number > own.get(each.analysis, 0):
                numbers[each.manga_id] = {**own, each.analysis: each.number}
                given[each.manga_id, each.analysis] = each
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "_given", given)
        object.__setattr__(
            self, "_wishes", frozenset((each.manga_id, each.analysis, each.because) for each in self.rows)
        )

    def of(self, manga_id: str) -> Numbers:
        return self.numbers.get(manga_id, NEVER)

    def has(self, manga_id: str, analysis: str, because: str) -> bool:
        """Whether these words were said of it before."""
        return (manga_id, analysis, because) in self._wishes

    def of_number(self, manga_id: str, analysis: str) -> Press | None:
        """That gave the question its number; None where it has none."""
        return self._given.get((manga_id, analysis))


def read_presses(objects: TableReader, bucket: str) -> Presses:
    stored = objects.read(again_key(bucket))
    return _presses(None if stored is None else stored.table)


def add_presses(objects: ObjectStore, bucket: str, wanted: Callable[[Presses], Iterable[Press]]) -> Presses:
    """All there are then. wanted: told what is there, once more when somebody else was faster.

    Raises WriteConflictError, StoreUnavailableError.
    """

    def added(current: pa.Table | None) -> pa.Table:
        known = AGAIN_SCHEMA.empty_table() if current is None else current
        new = pa.Table.from_pylist([asdict(each) for each in wanted(_presses(current))], schema=AGAIN_SCHEMA)
        return pa.concat_tables([known, new]).combine_chunks()

    return _presses(rewrite_table(objects, again_key(bucket), added).table)


def _presses(table: pa.Table | None) -> Presses:
    return Presses() if table is None else Presses(tuple(Press(**row) for row in table.to_pylist()))
