"""How much text there is, and whether it is Japanese: what the sufficiency rules and checks ask.

Belongs here: counting characters by script. Stays out: tokens (`domain/prompts/tokens.py`), cleaning
(`domain/prompts/prompt.py`).
"""

import re
from collections.abc import Mapping
from typing import Any

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
