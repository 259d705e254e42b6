"""What the questions about each title were when a plan last worked them out, so that the next looks up what changed.

Belongs here: the table of them, which of its titles are as they were, who needs nothing asked. Stays out: working
questions out, and what is planned (`planner.py`).

A title's questions follow from what its catalog row shows (`content_hash`), its candidates and, for each analysis, from
what all its questions have in common (`domain/prompts/fingerprint.py:question_identity`). While none of these changes,
the beginning of a question's fingerprint, or the reason why there is too little to ask, stands for the question.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.in_order import InOrder, beside
from manga_enrichment.pipeline.store.object_keys import questions_key
from manga_enrichment.pipeline.store.spool import Spool, reader_of

_BEGINNING = 16
"""Of a fingerprint's 64 letters: two questions about one title that begin alike are not to be had."""
_TOO_LITTLE = "!"
_FIXED = ("manga_id", "seen")

Questions = Mapping[str, str]
"""analysis -> beginning of a fingerprint, or `!` and the reason why nothing can be asked"""


def question_mark(fingerprint: str, too_little: str | None) -> str:
    """What stands for a question."""
    return fingerprint[:_BEGINNING] if too_little is None else f"{_TOO_LITTLE}{too_little}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be filled. wanted: names of tables; sources: of each, the analyses whose answers it takes, its own
    first; selected: those that may be asked."""

    wanted: Sequence[str]
    sources: Mapping[str, Sequence[str]]
    selected: frozenset[str]


@dataclass(frozen=True, slots=True)
class Settled:
    """Titles of a slice that need nothing asked. is_settled: by place; too_little: (place, analysis, reason)."""

    is_settled: pa.Array
    too_little: Sequence[tuple[int, str, str]] = ()


@dataclass(slots=True)
class Slice:
    """Some titles in a row. hashes: their content_hash; lists: the ids of each one's candidates, as one text."""

    ids: pa.Array
    hashes: pa.Array
    lists: pa.Array
    seen: pa.Array = field(init=False)

    def __post_init__(self) -> None:
        shown = pc.binary_join_element_wise(self.hashes, pc.fill_null(self.lists, ""), " ")
        self.seen = pa.array([blake2b(each.encode(), digest_size=8).hexdigest() for each in shown.to_pylist()])


class KnownQuestions:
    """Of one bucket. Gone through once, slice after slice."""

    def __init__(self, tables: ObjectStore, bucket: str, identities: Mapping[str, str]) -> None:
        """identities: of each analysis, "" for one of which nothing may be remembered."""
        self._tables, self._key = tables, questions_key(bucket)
        stored = tables.open(self._key)
        self._file = None if stored is None else stored.file
        before = self._identities_before()
        self._identities = {name: each for name, each in identities.items() if each}
        self._unchanged = {name for name, each in before.items() if identities.get(name, each) == each}
        self._rows = InOrder(self._file)
        names = dict.fromkeys([*self._unchanged, *self._identities])
        kept = {**{name: before.get(name, "") for name in names}, **self._identities}
        self._schema = pa.schema(
            [(name, pa.string()) for name in (*_FIXED, *sorted(names))],
            metadata={_identity_of(name): kept[name].encode() for name in names},
        )
        self._new = Spool(self._schema)
        self._is_new = self._unchanged != set(names)
        self._titles = 0

    def settled(self, part: Slice, current: Mapping[str, pa.Array], wish: Wish, again: Collection[str] = ()) -> Settled:
        """current: fingerprints of the tables' rows beside the slice's titles. again: titles that people had asked
        again, which are never settled: an answer may count for one of their analyses and not for another."""
        known = self._rows.between(part.ids[0].as_py(), part.ids[-1].as_py())
        is_same = pc.fill_null(pc.equal(beside(part.ids, known, "seen"), part.seen), fill_value=False)
        marks = {
            name: pc.if_else(is_same, beside(part.ids, known, name), None)
            if name in self._unchanged
            else pa.nulls(len(part.ids), pa.string())
            for name in self._schema.names[len(_FIXED) :]
        }
        self._known = marks
        if any(name not in marks for each in wish.wanted for name in wish.sources[each]):
            return Settled(pa.repeat(pa.scalar(value=False), len(part.ids)))
        looked_at = pc.is_in(part.ids, value_set=pa.array(again, pa.string()))
        return _settled(pc.and_(is_same, pc.invert(looked_at)), marks, current, wish)

    def note(self, part: Slice, worked_out: Mapping[str, Questions]) -> None:
        """What was worked out of the slice that `settled` was asked about last, by manga_id."""
        columns: list[pa.Array] = [part.ids, part.seen]
        ids = part.ids.to_pylist() if worked_out else []
        for name, column in self._known.items():
            values: Any = column
            if worked_out:
                old = column.to_pylist()
                values = pa.array(
                    [worked_out.get(each, {}).get(name, mark) for each, mark in zip(ids, old, strict=True)], pa.string()
                )
                self._is_new |= not values.equals(column)
            columns.append(values)
        self._titles += len(part.ids)
        self._new.add(pa.table(columns, schema=self._schema))

    def write(self) -> None:
        """Put what the slices came to, where it is anything new."""
        before = 0 if self._file is None else self._file.metadata.num_rows
        with self._new:
            if self._is_new or self._titles != before:
                self._tables.write(self._key, reader_of(self._new, self._schema))

    def _identities_before(self) -> dict[str, str]:
        marks = {} if self._file is None else self._file.schema_arrow.metadata or {}
        return {
            name: marks[_identity_of(name)].decode()
            for name in (self._file.schema_arrow.names[len(_FIXED) :] if self._file else ())
            if _identity_of(name) in marks
        }


def _identity_of(name: str) -> bytes:
    return f"manga.question.{name}".encode()


def _settled(is_same: pa.Array, marks: Mapping[str, pa.Array], current: Mapping[str, pa.Array], wish: Wish) -> Settled:
    settled, little = is_same, {}
    for name in wish.wanted:
        row = pc.utf8_slice_codeunits(current[name], 0, _BEGINNING)
        hits = [pc.fill_null(pc.equal(marks[source], row), fill_value=False) for source in wish.sources[name]]
        has_row = hits[0]
        for hit in hits[1:]:
            has_row = pc.or_(has_row, hit)
        cannot = pa.repeat(pa.scalar(name in wish.selected), len(is_same))
        for source in wish.sources[name]:
            is_little = pc.fill_null(pc.starts_with(marks[source], _TOO_LITTLE), fill_value=False)
            cannot = pc.and_(cannot, is_little)
        little[name] = cannot
        settled = pc.and_(settled, pc.or_(has_row, cannot))
    found = [
        (place, name, marks[name][place].as_py().removeprefix(_TOO_LITTLE))
        for name, cannot in little.items()
        for place in pc.indices_nonzero(pc.and_(settled, cannot)).to_pylist()
    ]
    return Settled(settled, found)
