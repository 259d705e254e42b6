"""Where a value lies in a nested row: `published.prop.from.year`, `titles[type=Japanese].title`, `authors[0].name`.

Belongs here: the form of a path and what it finds. Stays out: which field it is for (`mapping.py`).

A name after a list is looked up in each of its items. A key with a dot or a bracket in it is written in double quotes.
`*` is any name. What a cell holds as text (JSON, a list that Python printed) is looked into as well.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.catalog.containers import container

_STEP = re.compile(r'(?:"([^"]+)"|([^.\[\]"]+))((?:\[[^\[\]]*\])*)(?:\.|\Z)')
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_FILTER = re.compile(r"([^=!]+)(!?=)(.*)\Z")


@dataclass(frozen=True, slots=True)
class _Filter:
    """Of a list the item of this number, or the items whose `key` is (or, with `unlike`, is not) one of these texts."""

    number: int | None
    key: str = ""
    values: frozenset[str] = frozenset()
    unlike: bool = False

    def of(self, items: list[Any]) -> list[Any]:
        if self.number is None:
            return [item for item in items if self._keeps(item)]
        return [items[self.number]] if -len(items) <= self.number < len(items) else []

    def _keeps(self, item: object) -> bool:
        found = item.get(self.key) if isinstance(item, Mapping) else None
        texts = {text_of(each) for each in found} if isinstance(found, list) else {text_of(found)}
        return bool(texts & self.values) is not self.unlike


@dataclass(frozen=True, slots=True)
class Path:
    """text: as it was written. One step: a name, and filters of what lies there."""

    text: str
    steps: tuple[tuple[str, tuple[_Filter, ...]], ...]

    @property
    def column(self) -> str:
        return self.steps[0][0]

    def find(self, row: Mapping[Any, Any]) -> Any:
        """The value there, a list where the path goes through one, None where nothing is."""
        if self.text in row:
            return row[self.text]
        values: list[Any] = [row]
        through_list = False
        for name, filters in self.steps:
            items, opened = _open(values)
            through_list |= opened or name == "*"
            objects = [item for item in items if isinstance(item, Mapping)]
            values = [value for item in objects for value in (item.values() if name == "*" else (item.get(name),))]
            values = [value for value in values if value is not None]
            for each in filters:
                items, _ = _open(values)
                values = each.of(items)
                through_list |= each.number is None
        if through_list:
            return [item for value in values for item in (value if isinstance(value, list) else [value])]
        return values[0] if values else None


def text_of(value: object) -> str:
    """As JSON would write a single value, text without its quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_path(text: str) -> Path:
    """Raises ValueError saying where the text is no path."""
    steps: list[tuple[str, tuple[_Filter, ...]]] = []
    position = 0
    while position < len(text) or not steps:
        found = _STEP.match(text, position)
        if found is None:
            raise ValueError(f"{text!r} is no path from character {position + 1} on")
        filters = tuple(_filter(each) for each in _BRACKET.findall(found[3]) if each)
        steps.append(((found[1] or found[2]).strip(), filters))
        position = found.end()
    return Path(text, tuple(steps))


def _filter(text: str) -> _Filter:
    if re.fullmatch(r"-?[0-9]+", text):
        return _Filter(int(text))
    found = _FILTER.match(text)
    if found is None:
        raise ValueError(f"[{text}] is neither a number nor key=value")
    return _Filter(None, found[1].strip(), frozenset(each.strip() for each in found[3].split("|")), found[2] == "!=")


def _open(values: list[Any]) -> tuple[list[Any], bool]:
    """(items of lists and of texts that hold one, whether there was a list)."""
    items: list[Any] = []
    was_list = False
    for value in values:
        opened = container(value) if isinstance(value, str) else value
        if isinstance(opened, list | tuple):
            items.extend(opened)
            was_list = True
        else:
            items.append(value if opened is None else opened)
    return items, was_list
