"""Untrusted text inside a prompt: on one line, cut, compared as a reader would.

Belongs here: what is done to any quoted text. Stays out: which text is quoted (`prompt.py`, `candidate_block.py`), its
angle brackets (`domain/analyses/text.py`).
"""

import re
import unicodedata

_SENTENCE_END = re.compile(r"[。．！？!?][」』）”\")]*|\.(?=\s)|\n")
_LONGEST_SENTENCE_END = 8
_CUT_MARK = "…"


def one_line(text: str) -> str:
    """NFC, single spaces and none at either end: as nearly all texts are. What is printable has no other space."""
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    is_tidy = text.isprintable() and "  " not in text and text[:1] != " " and text[-1:] != " "
    return text if is_tidy else " ".join(text.split())


def folded(text: str) -> str:
    """The same for texts that a reader takes for the same."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def cut_at_sentence(text: str, limit: int) -> str:
    """At most `limit` characters, cut after a sentence of the second half if one ends there; "…" marks it."""
    if len(text) <= limit:
        return text
    matches = _SENTENCE_END.finditer(text, limit // 2, limit + _LONGEST_SENTENCE_END)
    end = max((match.end() for match in matches if match.end() < limit), default=limit - 1)
    return text[:end].rstrip() + _CUT_MARK
