"""The shipped questions: files of SQL with a title, and a line for each parameter.

Belongs here: finding and reading them. Stays out: asking (`session.py`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from manga_enrichment.runtime.shipped import shipped

_PARAMETER = re.compile(r"^--\s*\$(\w+):\s*(.+)$")
_IN_WORDS = re.compile(r"^--\s*\$(\w+):\s*in words\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Question:
    """A shipped query. title: its first line; parameters: what each `$name` of it stands for."""

    path: Path
    title: str
    parameters: Mapping[str, str]


def questions() -> list[Question]:
    """The shipped ones, by name. Raises NotShippedError."""
    return [read_question(path) for path in sorted(shipped("data/sql").glob("*.sql"))]


def read_question(path: Path) -> Question:
    lines = path.read_text("utf-8-sig").splitlines()
    found = filter(None, map(_PARAMETER.match, lines))
    return Question(path, lines[0].removeprefix("--").strip() if lines else "", {each[1]: each[2] for each in found})


def with_ids(sql: str, parameters: Mapping[str, str], find: Callable[[str], list[str]]) -> dict[str, str | list[str]]:
    """The parameters, those that the query takes in words as ids of titles, best first. find: ids for words."""
    meant = set(_IN_WORDS.findall(sql))
    return {name: find(value) if name in meant else value for name, value in parameters.items()}
