"""Where each of our catalog fields comes from in a source with names of its own.

Belongs here: the mapping, its JSON form, what is wrong with a bad one, ids for sources without ours. Stays out: what an
entry can say (`field_sources.py`), cleaning of the values (`rows.py`), reading the JSON file
(`pipeline/catalog/source_files.py`).

    {"start_year": "year", "type": {"const": "manga"}, "synopsis": null}

reads: start_year comes from the column `year`, every title is of type manga, a column `synopsis` is not ours. A field
that is not named comes from the column of its own name. Keys that begin with "$" are about the mapping: `$rows` is the
path to the list of rows in a JSON document or the name of a row's element in XML, `$only` leaves out every field that
is not named, `$about` says what the mapping is for, `$schema` is for editors.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import orjson

from manga_enrichment.domain.catalog.field_sources import Find, field_source, paths_of, single
from manga_enrichment.domain.catalog.ids import derived_id
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.errors import ConfigurationError

MAPPING_SETTING = "MANGA_CATALOG_MAPPING"
FIELD_NAMES = tuple(field.name for field in fields(MangaRecord))
LIST_FIELDS = frozenset({"synonyms", "authors", "magazines", "publisher_genres", "themes", "demographics"})
REQUIRED_FIELDS = ("manga_id", "title")
ID_FROM = "id_from"
ABOUT = ("$rows", "$schema", "$only", "$about")


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """columns: our field -> their column, where that is all; found: our field -> what finds its value, for all others.

    named: our field -> the column that a source must have, since the mapping names it. rows_path: to the rows of a JSON
    document, or the element of a row in XML; "" for the document itself, for ONIX. optional: of every field that a row
    may lack (field, column, "" where it is found, and what finds it). id_parts: finds (source, source id)
    of a row, where ids are derived.
    """

    columns: Mapping[str, str]
    found: Mapping[str, Find] = field(compare=False)
    named: Mapping[str, str]
    rows_path: str
    document: str
    optional: tuple[tuple[str, str, Find | None], ...] = field(default=(), compare=False)
    id_parts: Callable[[Mapping[Any, Any]], tuple[str, str] | None] | None = field(default=None, compare=False)

    @classmethod
    def from_json(cls, document: object, under: Mapping[str, Any] = MappingProxyType({})) -> "ColumnMapping":
        """under: a preset that holds where the document says nothing; columns that only it names may be missing.

        Raises ConfigurationError naming the first field that is wrong.
        """
        if not isinstance(document, Mapping):
            raise ConfigurationError(f'{MAPPING_SETTING}: expected a JSON object such as {{"start_year": "year"}}')
        whole = {**under, **document}
        own_names = {} if whole.get("$only") else {name: name for name in FIELD_NAMES}
        entries = {**own_names, **{name: entry for name, entry in whole.items() if name not in ABOUT}}
        found = {name: _source(name, entry) for name, entry in entries.items() if entry is not None}
        for name in REQUIRED_FIELDS:
            if name not in found:
                raise ConfigurationError(f"{MAPPING_SETTING}: {name!r} is required and cannot be null")
        paths = {name: entry for name, entry in entries.items() if isinstance(entry, str)}
        plain = {name: entry for name, entry in paths.items() if not set(entry) & set('.["')}
        return cls(
            columns=plain,
            found={name: each for name, each in found.items() if name not in plain},
            named={name: _column(entry) for name, entry in paths.items() if name in document},
            rows_path=str(whole.get("$rows") or ""),
            document=orjson.dumps(whole, option=orjson.OPT_SORT_KEYS).decode(),
            optional=_optional(plain, found),
            id_parts=None if isinstance(entries["manga_id"], str) else _id_parts(entries["manga_id"]),
        )

    def value(self, name: str, row: Mapping[Any, Any]) -> Any:
        """What the row has for the field, as the source gives it; None without anything."""
        column = self.columns.get(name)
        if column is not None:
            return row.get(column)
        find = self.found.get(name)
        return None if find is None else find(row)

    def check_columns(self, present: Collection[str]) -> None:
        """Raises ConfigurationError when a source with these columns lacks one that the mapping names or we require."""
        required = {name: self.columns[name] for name in REQUIRED_FIELDS if name in self.columns}
        for name, column in {**required, **self.named}.items():
            if column not in present:
                there = ", ".join(sorted(present)[:40]) or "none"
                raise ConfigurationError(
                    f"The catalog has no column {column!r} for the field {name!r} (columns: {there}): "
                    f"name the right one in {MAPPING_SETTING} or correct MANGA_CATALOG_URI"
                )


def _optional(plain: Mapping[str, str], found: Mapping[str, Find]) -> tuple[tuple[str, str, Find | None], ...]:
    names = [name for name in found if name not in REQUIRED_FIELDS]
    return tuple((name, plain.get(name, ""), None if name in plain else found[name]) for name in names)


def _source(name: str, entry: object) -> Find:
    if name not in FIELD_NAMES:
        known = ", ".join(FIELD_NAMES)
        raise ConfigurationError(f"{MAPPING_SETTING}: {name!r} is not a catalog field; fields are {known}")
    try:
        find = _id_source(entry) if name == "manga_id" else field_source(entry)
    except ValueError as error:
        shown = str(entry)[:80]
        raise ConfigurationError(f"{MAPPING_SETTING}: {name!r} {error} (it is {shown!r})") from None
    return find if name in LIST_FIELDS else single(entry, find)


def _id_source(entry: object) -> Find:
    if isinstance(entry, str):
        return field_source(entry)
    parts = _id_parts(entry)

    def find_id(row: Mapping[Any, Any]) -> str | None:
        found = parts(row)
        return None if found is None else derived_id(*found)

    return find_id


def _id_parts(entry: object) -> Callable[[Mapping[Any, Any]], tuple[str, str] | None]:
    """What finds (source, source id) in a row."""
    if not isinstance(entry, Mapping) or set(entry) != {ID_FROM}:
        raise ValueError(f'must be a column, a path, or {{"{ID_FROM}": {{"source": "name", "id": "path"}}}}')
    parts = entry[ID_FROM]
    if not isinstance(parts, Mapping) or set(parts) != {"source", "id"}:
        raise ValueError(f'"{ID_FROM}" takes "source", a name, and "id", a path')
    source, find = str(parts["source"]), single(parts["id"], field_source(parts["id"]))

    def find_parts(row: Mapping[Any, Any]) -> tuple[str, str] | None:
        value = find(row)
        is_id = isinstance(value, str | int) and not isinstance(value, bool) and value != ""
        if isinstance(value, float) and value.is_integer():
            value, is_id = int(value), abs(value) < 2**53
        return (source, str(value).strip()) if is_id else None

    return find_parts


def _column(entry: str) -> str:
    (path,) = paths_of(entry)
    return path.column


SAME_NAMES = ColumnMapping.from_json({})
"""The mapping of a source that uses our own names."""
