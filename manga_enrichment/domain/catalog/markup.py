"""What authors of texts mark up: readings, spoilers, links, joined characters.

Belongs here: ruby, spoiler marks, Markdown links, BBCode, where a joiner joins. Stays out: HTML in general (`text.py`).

A spoiler is cut, not kept by an instruction to the model: a summary that is published must not have known it.
"""

import re

_RUBY_TEXT = re.compile(r"<(rt|rp|rtc)\b[^<>]{0,200}>[^<>]{0,200}(?:</\1\s*>|(?=</?r))", re.IGNORECASE)
_RUBY_TAG = re.compile(r"</?(?:ruby|rb|rt|rp|rtc)\b[^<>]{0,200}>", re.IGNORECASE)
_SPOILERS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"~!.{0,5000}?!~",
        r"\|\|[^|]{1,5000}\|\|",
        r"\[spoiler(?:=[^\[\]]{0,200})?\].{0,5000}?\[/spoiler\]",
        r"<spoiler\b[^<>]{0,200}>.{0,5000}?</spoiler\s*>",
        r"<(span|div|p)\b[^<>]{0,200}\bspoiler\b[^<>]{0,200}>[^<>]{0,5000}</\1\s*>",
    )
)
_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\((?:https?://|/|mailto:|#)[^()\s]{0,2000}(?:\s+\"[^\"\n]{0,200}\")?\)")
_BBCODE = re.compile(
    r"\[/?(?:b|i|u|s|url|img|quote|center|left|right|size|color|font|list|\*|hr|code)(?:=[^\[\]\n]{0,500})?\]",
    re.IGNORECASE,
)

# Scripts whose letters take another form beside a joiner (Arabic to Syriac, Thaana to Mongolian), and emoji.
_JOINED = (
    "\u0600-\u08ff\u0900-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc\ufe0f\u2190-\u2bff\u3030\u303d"
    "\U0001f000-\U0001faff"
)
UNJOINING = re.compile(f"(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])")


def without_ruby(text: str) -> str:
    """Base text without its readings."""
    if "<r" not in text and "<R" not in text:
        return text
    return _RUBY_TAG.sub("", _RUBY_TEXT.sub("", text))


def without_spoilers(text: str) -> str:
    """Marked passages cut; a mark without its other end is text."""
    marked = ("~" in text and "~!" in text) or ("|" in text and "||" in text)
    tagged = ("[" in text or "<" in text) and ("poiler" in text or "POILER" in text)
    if not (marked or tagged):
        return text
    for pattern in _SPOILERS:
        text = pattern.sub("", text)
    return text


def without_syntax(text: str) -> str:
    """Links of Markdown as their text, BBCode gone."""
    if "[" not in text:
        return text
    return _BBCODE.sub("", _LINK.sub(r"\1", text) if "](" in text else text)
