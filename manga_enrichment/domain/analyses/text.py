"""How much text there is, whether it is Japanese, and whether it is in another: what sufficiency rules and checks ask.

Belongs here: counting characters by script, text as a prompt shows it. Stays out: tokens (`domain/prompts/tokens.py`),
cleaning (`domain/prompts/prompt.py`).
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from manga_enrichment.domain.text.rule import readable

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f]")
_SPACE = re.compile(r"\s+")


def weighted_length(text: str) -> int:
    """Characters of `text`, a kana or kanji counting double because it says about twice as much."""
    return len(text) + len(_CJK.findall(text))


def japanese_share(text: str) -> float:
    """Share of kana and kanji among the characters that are not white space, 0.0 for an empty text."""
    dense = _SPACE.sub("", text)
    return len(_CJK.findall(dense)) / len(dense) if dense else 0.0


def has_text(fields: Mapping[str, Any], name: str, minimum: int) -> bool:
    """Whether a field holds at least `minimum` weighted characters."""
    return weighted_length(str(fields.get(name, ""))) >= minimum


def has_any(fields: Mapping[str, Any], *names: str) -> bool:
    return any(fields.get(name) for name in names)


def without_brackets(text: str) -> str:
    """As prompts show it: nothing in it can open or close a block."""
    return text.replace("<", "‹").replace(">", "›")


def joined(value: str | Sequence[str]) -> str:
    """A field's value as prompts show it: a list on one line."""
    return value if isinstance(value, str) else "; ".join(value)


def quotable(value: str | Sequence[str]) -> str:
    """What a quote of a field's value is looked up in, and the quote likewise: as prompts show it, on one line, and
    without what `ModelReply` takes out of every answer."""
    return " ".join(unicodedata.normalize("NFC", without_brackets(readable(joined(value)))).split())
