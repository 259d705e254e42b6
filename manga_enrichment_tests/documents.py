"""What the documents tell people to type: every command of every page, and what becomes of it in a shell.

Belongs here: finding them. Stays out: running them.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = tuple(
    page
    for where in ("*.md", "docs/**/*.md", "data/**/*.md", "deploy/**/*.md", "manga_enrichment/**/*.md")
    for page in sorted(REPOSITORY.glob(where))
)
HEADS = (REPOSITORY / "deploy" / "compose.yaml",)
"""Files whose first comment says what to type."""
PROGRAMS = (
    *("aws", "bash", "cat", "cd", "cp", "curl", "dagster", "docker", "echo", "eval", "export", "git", "jq", "make"),
    *(
        "manga-enrichment",
        "mkdir",
        "openssl",
        "pip",
        "pipx",
        "printf",
        "python",
        "rm",
        "sh",
        "sudo",
        "tail",
        "uv",
        "uvx",
    ),
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
    return [each for page in (*PAGES, *HEADS) for each in _of(page) if each.program in programs]


def in_sentences(program: str) -> list[Command]:
    """`PROGRAM ...` within the sentences of all pages but the history: at times only its beginning."""
    found = re.compile(rf"`({re.escape(program)} [^`]+)`")
    return [
        Command(page.relative_to(REPOSITORY).as_posix(), text)
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for text in found.findall(re.sub(r"\n *", " ", page.read_text("utf-8")))
    ]


def _of(page: Path) -> Iterator[Command]:
    text = page.read_text("utf-8")
    if page in HEADS:
        text = "\n".join(line.removeprefix("# ") for line in takewhile(lambda line: line[:1] == "#", text.splitlines()))
    for found in _LINE.finditer(re.sub(r" *\\\n *", " ", text)):
        plain = re.sub(r"(?<=\S) {2,}#.*$|(?<=\S) # .*$", "", found[0].strip())
        yield Command(page.relative_to(REPOSITORY).as_posix(), plain)
