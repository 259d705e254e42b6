"""Where one field comes from: a path, several, a constant; and what is done with what is found.

Belongs here: the forms of an entry of a mapping, what is wrong with a bad one, the value it gives. Stays out: the
mapping as a whole (`mapping.py`), cleaning (`rows.py`).

    "title"                                             a column or a path
    {"const": "manga"}                                  the same for every row
    {"first": ["titles.en", "titles.ja"]}               the first that has a value
    {"all": ["genres[].name", "tags"]}                  one list of all that is found
    {"join": ["family", "given"], "with": " "}          one text of several
    {"from": "genre", "split": "/", "map": {"SF": "Science Fiction"}, "null": ["Other"], "role": "art"}
"""

from collections.abc import Callable, Mapping
from typing import Any

from manga_enrichment.domain.catalog.lists import items, texts_of
from manga_enrichment.domain.catalog.paths import Path, parse_path, text_of
from manga_enrichment.domain.catalog.warnings import no_note

Find = Callable[[Mapping[Any, Any]], Any]
FORMS = ("const", "first", "all", "join", "from")
_VALUE_KEYS = ("value", "@value")
"""Where XML with attributes and JSON-LD have the value itself."""
_EXTRAS = {"join": {"with"}, "from": {"split", "map", "null", "role"}}


def field_source(entry: object) -> Find:
    """What finds the value in a row. Raises ValueError saying what is wrong with the entry."""
    if isinstance(entry, str) and entry:
        return parse_path(entry).find
    if not isinstance(entry, Mapping):
        raise ValueError("must be the name of a column, a path, an object or null")
    form = next((form for form in FORMS if form in entry), None)
    unknown = set(entry) - {form} - _EXTRAS.get(form or "", set())
    if form is None or unknown:
        raise ValueError(f"has {', '.join(sorted(map(repr, unknown or entry)))}; it takes one of {', '.join(FORMS)}")
    return _BUILDERS[form](entry)


def single(entry: object, find: Find) -> Find:
    """For a field of one value: the only one of a list, with "first" the first of it; of an object its value."""
    takes_first = isinstance(entry, Mapping) and "first" in entry

    def find_single(row: Mapping[Any, Any]) -> Any:
        value = find(row)
        if isinstance(value, list):
            full = [item for item in value if not _is_empty(item)]
            if len(full) != 1 and not takes_first:
                return value
            value = full[0] if full else None
        if isinstance(value, Mapping):
            return next((value[key] for key in _VALUE_KEYS if key in value), value)
        return value

    return find_single


def paths_of(entry: object) -> list[Path]:
    """All paths of an entry."""
    if isinstance(entry, str):
        return [parse_path(entry)]
    if isinstance(entry, Mapping):
        inner = [entry[form] for form in FORMS if form in entry and form != "const"]
        parts = [part for each in inner for part in (each if isinstance(each, list) else [each])]
        return [path for part in parts for path in paths_of(part)]
    return []


def _const(entry: Mapping[str, Any]) -> Find:
    value = entry["const"]
    return lambda _row: value


def _parts(entry: Mapping[str, Any], form: str) -> list[Find]:
    parts = entry[form]
    if not isinstance(parts, list) or not parts:
        raise ValueError(f"{form!r} must be a list of paths or entries")
    return [field_source(part) for part in parts]


def _first(entry: Mapping[str, Any]) -> Find:
    parts = _parts(entry, "first")

    def find(row: Mapping[Any, Any]) -> Any:
        return next((value for value in (part(row) for part in parts) if not _is_empty(value)), None)

    return find


def _all(entry: Mapping[str, Any]) -> Find:
    parts = _parts(entry, "all")

    def find(row: Mapping[Any, Any]) -> Any:
        found = [value for value in (part(row) for part in parts) if not _is_empty(value)]
        return [item for value in found for item in (items(value) if isinstance(value, str | list) else (value,))]

    return find


def _join(entry: Mapping[str, Any]) -> Find:
    parts = [single({"first": part}, find) for part, find in zip(entry["join"], _parts(entry, "join"), strict=True)]
    mark = str(entry.get("with", " "))

    def find(row: Mapping[Any, Any]) -> Any:
        return mark.join(str(value) for value in (part(row) for part in parts) if not _is_empty(value)) or None

    return find


def _from(entry: Mapping[str, Any]) -> Find:
    inner = field_source(entry["from"])
    split, values, role = entry.get("split"), entry.get("map", {}), entry.get("role")
    nulls = entry.get("null", [])
    if not isinstance(values, Mapping) or not isinstance(nulls, list) or not isinstance(split or "", str):
        raise ValueError('"map" must be an object, "null" a list of words, "split" a text')
    empty = {str(word).casefold() for word in nulls}

    def change(item: Any) -> Any:
        text = text_of(item)
        item = None if text.strip().casefold() in empty else values.get(text, item)
        if role is None or item is None:
            return item
        name = next(texts_of(item, no_note), "")
        return {"name": name, "role": role}

    def find(row: Mapping[Any, Any]) -> Any:
        value = inner(row)
        if split:
            texts = value if isinstance(value, list) else [value]
            value = [part for text in texts for part in (text.split(split) if isinstance(text, str) else [text])]
        if isinstance(value, list | tuple):
            return [changed for changed in map(change, value) if changed is not None]
        return None if _is_empty(value) else change(value)

    return find


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], Find]] = {
    "const": _const,
    "first": _first,
    "all": _all,
    "join": _join,
    "from": _from,
}
