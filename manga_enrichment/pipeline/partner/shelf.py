"""Which titles of the catalog a conversation is about, with their answers from the published tables.

Belongs here: finding them by words and by id, what is told of each. Stays out: the search (`pipeline/candidates/`), how
they are quoted and how many fit (`domain/prompts/known_titles.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import bucket_of
from manga_enrichment.domain.prompts.conversations import Turn, conversation_turns, shown_turns
from manga_enrichment.domain.prompts.known_titles import (
    LEAST_TOKENS,
    MOST_TITLES,
    SUMMARY_CHARACTERS,
    named_ids,
    titles_that_fit,
)
from manga_enrichment.domain.prompts.quoting import cut_at_sentence
from manga_enrichment.domain.requests.cost_guard import tokens_left
from manga_enrichment.gateways.objects import TableReader
from manga_enrichment.pipeline.candidates.asking import QUESTION_CHARACTERS, Asking
from manga_enrichment.pipeline.candidates.terms import is_japanese
from manga_enrichment.pipeline.partner.conversations import last_question
from manga_enrichment.pipeline.store.object_keys import table_key

_TABLE = "enriched_catalog"
_COLUMNS = ("manga_id", "primary_genre", "reading_level", "summary_en", "summary_ja")


class Shelf:
    """asking: the catalog's index as it is now, None while there is none."""

    def __init__(self, tables: TableReader, asking: Callable[[], Asking | None], bucket_count: int) -> None:
        self._tables = tables
        self._asking = asking
        self._bucket_count = bucket_count

    def titles(self, schema: str, body: Mapping[str, Any], history: Sequence[Turn]) -> tuple[Candidate, ...] | None:
        """What the request may be about, best first; None where nobody can know.

        That is without an index, and where the request's own text leaves no room in its model's limit.
        """
        room = tokens_left(schema, body)
        asking = self._asking() if room >= LEAST_TOKENS else None
        if asking is None:
            return None
        question = last_question(schema, body)
        turns = shown_turns(conversation_turns(schema, body, history))
        found = asking.named([named for turn in reversed(turns) for named in named_ids(turn.content)])
        found += [each for each in _found(asking, question) if each not in found]
        told = self._told(found[:MOST_TITLES], in_japanese=is_japanese(question))
        return titles_that_fit(told, room)

    def _told(self, titles: Sequence[Candidate], *, in_japanese: bool) -> list[Candidate]:
        """Each with its answers, where it has any, in place of what the catalog says of it."""
        if not titles:
            return []
        buckets = {bucket_of(each.manga_id, self._bucket_count) for each in titles}
        with ThreadPoolExecutor(MOST_TITLES) as pool:  # a bucket each: one after the other they would take too long
            tables = pool.map(lambda bucket: self._tables.read(table_key(_TABLE, bucket), _COLUMNS), sorted(buckets))
        ids = pa.array([each.manga_id for each in titles], pa.string())
        rows = [row for stored in tables if stored is not None for row in _rows(stored.table, ids)]
        told = {row["manga_id"]: _answers(row, in_japanese=in_japanese) for row in rows}
        return [replace(each, hint=told.get(each.manga_id) or each.hint) for each in titles]


def _found(asking: Asking, question: str) -> Iterator[Candidate]:
    """By its beginning and its end, since a long message comes to the point in either place."""
    parts = dict.fromkeys((question[:QUESTION_CHARACTERS], question[-QUESTION_CHARACTERS:]))
    lists = [asking.find(part, MOST_TITLES) for part in parts]
    best = sorted((each for found in lists for each in found), key=lambda each: -each.score)
    return iter(asking.named([each.manga_id for each in best]))


def _rows(table: pa.Table, ids: pa.Array) -> Iterable[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.filter(pc.is_in(table.column("manga_id"), value_set=ids)).to_pylist()
    return rows


def _answers(row: Mapping[str, Any], *, in_japanese: bool) -> str:
    """ "genre: …; level: …; summary", as far as there is any of it."""
    first, second = ("summary_ja", "summary_en") if in_japanese else ("summary_en", "summary_ja")
    summary = cut_at_sentence(row[first] or row[second] or "", SUMMARY_CHARACTERS)
    named = (("genre", row["primary_genre"]), ("level", row["reading_level"]))
    return "; ".join((*(f"{name}: {value}" for name, value in named if value), *filter(None, (summary,))))
