"""The shipped questions: files of SQL with a title, and a line for each parameter.

    -- The ten titles of a genre that are most like a title
    -- $title: in words, a title or what one remembers of it, or its id
    -- $genre: a genre they have (default: horror)

Belongs here: finding and reading them, what their parameters take. Stays out: asking (`session.py`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from manga_enrichment.analysts.plain import QueryError
from manga_enrichment.runtime.shipped import shipped

_PARAMETER = re.compile(r"^--\s*\$(\w+):\s*(.+?)\s*(?:\(default: (.+)\))?\s*$", re.MULTILINE)
_USED = re.compile(r"\$([A-Za-z_]\w*)")
_COMMENT = re.compile(r"--.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a `$name` stands for, without the default. in_words: of a title, which become the ids that they find."""

    meaning: str
    default: str | None = None

    @property
    def in_words(self) -> bool:
        return re.match(r"in words\b", self.meaning) is not None

    def __str__(self) -> str:
        return self.meaning if self.default is None else f"{self.meaning}; {self.default} unless given"


@dataclass(frozen=True, slots=True)
class Question:
    """A shipped query. title: its first line; parameters: what each `$name` of it stands for."""

    path: Path
    title: str
    text: str
    parameters: Mapping[str, Parameter]


def questions() -> list[Question]:
    """The shipped ones, by name. Raises NotShippedError."""
    return [read_question(path) for path in sorted(shipped("data/sql").glob("*.sql"))]


def read_question(path: Path) -> Question:
    text = path.read_text("utf-8-sig")
    title = text.partition("\n")[0].removeprefix("--").strip()
    return Question(path, title, text, parameters_of(text))


def parameters_of(sql: str) -> dict[str, Parameter]:
    """As its comments say."""
    return {name: Parameter(meaning, default or None) for name, meaning, default in _PARAMETER.findall(sql)}


def values_for(sql: str, given: Mapping[str, str], find: Callable[[str], list[str]]) -> dict[str, str | list[str]]:
    """A value for each `$name`: given, or the default; titles in words as ids, best first. find: ids for words.

    Raises QueryError where one is missing or is none of the query's.
    """
    told, used = parameters_of(sql), set(_USED.findall(_COMMENT.sub("", sql)))
    values = {name: each.default for name, each in told.items() if each.default is not None} | dict(given)
    if strange := sorted(values.keys() - used):
        takes = f"It takes {', '.join(sorted(used))}." if used else "It takes none."
        raise QueryError(f"The query has no ${strange[0]}. {takes}")
    if missing := [name for name in sorted(used) if name not in values]:
        lines = [f"  --param {name}=...: {told[name]}" if name in told else f"  --param {name}=..." for name in missing]
        raise QueryError("\n".join(["The query needs a value for each of these:", *lines]))
    return {name: find(value) if name in told and told[name].in_words else value for name, value in values.items()}
