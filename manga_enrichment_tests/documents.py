"""What the documents tell people to type: every command of every page, and what becomes of it in a shell.

Belongs here: finding them. Stays out: running them.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = (*sorted(REPOSITORY.glob("*.md")), *sorted(REPOSITORY.glob("docs/**/*.md")))
PROGRAMS = (
    "aws",
    "bash",
    "cd",
    "curl",
    "dagster",
    "docker",
    "eval",
    "export",
    "git",
    "make",
    "manga-enrichment",
    "pip",
    "python",
)
_LINE = re.compile(rf"^ {{4,}}(?:\.venv/bin/|\$)?(?:{'|'.join(PROGRAMS)})(?:[ =]|$).*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """page: from the repository. text: one line, as it is typed, without the page's remark."""

    page: str
    text: str

    def words(self) -> list[str]:
        return shlex.split(self.text.removeprefix(".venv/bin/"))

    @property
    def program(self) -> str:
        return self.words()[0].lstrip("$")


def commands(*programs: str) -> list[Command]:
    """All of these programs, in the order of the pages."""
    return [each for page in PAGES for each in _of(page) if each.program in programs]


def _of(page: Path) -> Iterator[Command]:
    text = page.read_text("utf-8")
    for found in _LINE.finditer(re.sub(r" *\\\n *", " ", text)):
        plain = re.sub(r"(?<=\S) {2,}#.*$|(?<=\S) # .*$", "", found[0].strip())
        yield Command(page.relative_to(REPOSITORY).as_posix(), plain)
