"""A raw catalog row -> a clean record, or the reason why not.

Belongs here: which field is cleaned how, what rejects a row and what is only a warning. Stays out: the cleaning of one
value (`values.py`), reading files (`pipeline/catalog/source_files.py`), duplicates
(`pipeline/catalog/importer.py`).

Only the identity of a title can reject its row: `manga_id` (taken exactly as given, for it joins tables) and `title`.
An optional field with an unusable value, such as an ISBN with a wrong check digit, becomes empty and is told as a
warning: a store would rather have the title without its ISBN than not have the title.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from manga_enrichment.domain.catalog import lists, moments, numbers, people, values
from manga_enrichment.domain.catalog.ids import IdRegister
from manga_enrichment.domain.catalog.mapping import SAME_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.records import MANGA_ID, MangaRecord
from manga_enrichment.domain.catalog.warnings import Note, RowWarning, WarningReason, shortened


class RejectReason(StrEnum):
    """Why a row is not in the catalog; the values stand in the table of rejects."""

    INVALID_JSON = "invalid_json"
    INVALID_CSV = "invalid_csv"
    NOT_UTF8 = "not_utf8"
    ROW_TOO_LONG = "row_too_long"
    WRONG_COLUMN_COUNT = "wrong_column_count"
    UNREADABLE_VALUE = "unreadable_value"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_MANGA_ID = "missing_manga_id"
    INVALID_MANGA_ID = "invalid_manga_id"
    MISSING_TITLE = "missing_title"
    INVALID_TITLE = "invalid_title"
    DUPLICATE_OF_NEWER_ROW = "duplicate_of_newer_row"


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that is not in the catalog.

    row_number counts from 1, without a CSV header; in JSONL it is the line. manga_id is None unless valid. raw_json is
    the row as JSON, or its text where it could not be parsed.
    """

    row_number: int
    manga_id: str | None
    reason: RejectReason
    raw_json: str


_CLEANERS: Mapping[str, Callable[[object, Note], Any]] = {
    "title_ja": values.optional_text,
    "title_kana": values.optional_text,
    "title_en": values.optional_text,
    "synonyms": lists.titles,
    "authors": people.authors,
    "publisher": values.label,
    "magazines": lists.names,
    "isbn13": values.isbn,
    "publisher_genres": lists.labels,
    "themes": lists.labels,
    "demographics": lists.labels,
    "content_rating": values.label,
    "type": values.label,
    "synopsis": values.synopsis,
    "volumes": numbers.integer(0, 10_000),
    "chapters": numbers.integer(0, 100_000),
    "status": values.label,
    "start_year": numbers.year,
    "source": values.label,
    "source_id": values.optional_text,
    "updated_at": moments.moment,
}
_EMPTY: tuple[object, ...] = ("", [], {})


def _no_warning(_warning: RowWarning) -> None:
    """For callers that do not count."""


def clean_row(
    raw: object,
    row_number: int,
    mapping: ColumnMapping = SAME_NAMES,
    warn: Callable[[RowWarning], None] = _no_warning,
    ids: IdRegister | None = None,
) -> MangaRecord | RejectedRow:
    """The record of a row, or why it has none. Never raises for anything a JSON, CSV or Parquet reader gives.

    warn gets whatever was dropped, changed or merged; nothing of a row that is rejected. ids: who has which of the ids
    that are derived.
    """
    if not isinstance(raw, dict | Mapping):  # the first is known at sight
        return _reject(raw, row_number, None, RejectReason.NOT_AN_OBJECT)
    manga_id = _manga_id(raw, mapping, ids)
    if manga_id is None or manga_id == "":
        return _reject(raw, row_number, None, RejectReason.MISSING_MANGA_ID)
    if not isinstance(manga_id, str) or MANGA_ID.match(manga_id) is None:
        return _reject(raw, row_number, None, RejectReason.INVALID_MANGA_ID)
    notes = _Notes(row_number, manga_id, warn)
    value = mapping.value("title", raw)
    try:
        title = None if value is None else values.required_text(value, notes.reasons.append)
    except values.InvalidValueError:
        return _reject(raw, row_number, manga_id, RejectReason.INVALID_TITLE)
    if title is None:
        return _reject(raw, row_number, manga_id, RejectReason.MISSING_TITLE)
    if notes.reasons:
        notes.tell("title", value)
    return MangaRecord(manga_id, title, **_optional_fields(raw, mapping, notes))


def _manga_id(raw: Mapping[str, Any], mapping: ColumnMapping, ids: IdRegister | None) -> object:
    if ids is None or mapping.id_parts is None:
        return mapping.value("manga_id", raw)
    parts = mapping.id_parts(raw)
    return None if parts is None else ids.of(*parts)


class _Notes:
    """What the cleaners of one row say, each with the field and its raw value."""

    __slots__ = ("_manga_id", "_row_number", "_warn", "reasons")

    def __init__(self, row_number: int, manga_id: str, warn: Callable[[RowWarning], None]) -> None:
        self._row_number = row_number
        self._manga_id = manga_id
        self._warn = warn
        self.reasons: list[WarningReason] = []

    def tell(self, field: str, value: object) -> None:
        """Whatever was noted since the last call was about this field."""
        for reason in self.reasons:
            raw = shortened(value if isinstance(value, str) else raw_json(value))
            self._warn(RowWarning(self._row_number, self._manga_id, field, reason, raw))
        self.reasons.clear()


_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def raw_json(raw: object) -> str:
    """A row as JSON that can be stored: values JSON does not know are written as text, lone surrogates escaped."""
    try:
        text = _as_json(raw)
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(raw, default=str)
    except (ValueError, TypeError, RecursionError):  # nested too deeply, or keys that are not text
        return json.dumps(repr(type(raw)))
    return text


def _reject(raw: object, row_number: int, manga_id: str | None, reason: RejectReason) -> RejectedRow:
    return RejectedRow(row_number, manga_id, reason, raw_json(raw))


def _optional_fields(raw: Mapping[str, Any], mapping: ColumnMapping, notes: _Notes) -> dict[str, Any]:
    cleaned = {}
    reasons, note = notes.reasons, notes.reasons.append
    get = raw.get
    for name, column, find in mapping.optional:
        value = get(column) if find is None else find(raw)
        if value is None or (not value and value in _EMPTY):
            continue
        try:
            cleaned[name] = _CLEANERS[name](value, note)
        except values.InvalidValueError:
            note(WarningReason.INVALID)
        if reasons:
            notes.tell(name, value)
    return cleaned
