"""The title that a prompt is about: its blocks read back into fields.

Belongs here: finding and splitting <title>, <candidates>, <additional_context>. Stays out: judging the text.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from functools import cached_property

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.local.model_server.protocol.model_request import Turn

_FIELD_NAMES = frozenset(field.name for field in dataclasses.fields(MangaRecord))
_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f]")


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    manga_id: str
    title: str
    hint: str


@dataclasses.dataclass(frozen=True)
class TitlePrompt:
    """What the prompt says about one title. fields holds its text by field name, lists as "a; b".

    catalog: titles that a conversation is shown; None where it is shown no catalog.
    """

    fields: Mapping[str, str]
    candidates: tuple[Candidate, ...] = ()
    context: str = ""
    catalog: tuple[Candidate, ...] | None = None

    def text(self, *names: str) -> str:
        """The named fields that are there, one per line."""
        return "\n".join(self.fields[name] for name in names if name in self.fields)

    @cached_property
    def titles(self) -> str:
        return self.text("title", "title_en", "title_ja", "synonyms")

    @cached_property
    def labels(self) -> str:
        """What the publisher calls it."""
        return self.text("publisher_genres", "themes")

    @property
    def synopsis(self) -> str:
        return self.fields.get("synopsis", "")


def japanese_share(text: str) -> float:
    """Share of kana and kanji among the characters that are not white space, 0.0 for an empty text."""
    if text.isascii():
        return 0.0
    dense = "".join(text.split())
    return len(_JAPANESE.findall(dense)) / len(dense) if dense else 0.0


def has_title(text: str) -> bool:
    return _block(text, "title") is not None


def read_title(turns: Iterable[Turn]) -> TitlePrompt:
    """The title of the last user message that has one; without any, that message's text as a synopsis."""
    texts = [turn.text for turn in turns if turn.role == "user"]
    for text in reversed(texts):
        block = _block(text, "title")
        if block is not None:
            context = _block(text, "additional_context") or ""
            return TitlePrompt(_fields(block), tuple(_candidates(_block(text, "candidates"))), context)
    last = texts[-1] if texts else ""
    catalog = _block(last, "catalog")
    return TitlePrompt({"synopsis": last}, catalog=None if catalog is None else tuple(_candidates(catalog)))


def _fields(block: str) -> dict[str, str]:
    """Lines "name: text"; a line that starts with no known name continues the field before it."""
    fields: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in block.split("\n"):
        name, colon, rest = line.partition(":")
        if colon and name in _FIELD_NAMES and (not rest or rest.startswith(" ")):
            lines = [rest]
            fields.setdefault(name, lines)
        else:
            lines.append(line)
    texts = {name: "\n".join(lines).strip() for name, lines in fields.items()}
    return {name: text for name, text in texts.items() if text}


def _candidates(block: str | None) -> Iterable[Candidate]:
    for line in (block or "").splitlines():
        manga_id, _, rest = line.partition("|")
        title, _, hint = rest.partition("|")
        if manga_id.strip() and title.strip():
            yield Candidate(manga_id.strip(), title.strip(), hint.strip())


def _block(text: str, tag: str) -> str | None:
    """What the first block of this tag holds, without the line break before its end; None when there is none."""
    opening = f"<{tag}>\n"
    start = text.find(opening)
    end = text.find(f"</{tag}>", start + len(opening)) if start >= 0 else -1
    return text[start + len(opening) : end].removesuffix("\n") if end >= 0 else None
