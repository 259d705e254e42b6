"""Cleaning of catalog text: what the sources leave in it and no reader should see.

Belongs here: HTML remains, whitespace, attribution tails, placeholders. Stays out: which characters no text holds
(`domain/text/rule.py`), which field gets which cleaning (`rows.py`), escaping for prompts (`domain/prompts/prompt.py`).

Two rules keep titles whole. Only known HTML tags are tags: real titles contain `<四代目>` or `<3`. Only entities that
end in ";" are entities: "R&D" and "Me&not you" stay.
"""

import html
import re
import unicodedata

from manga_enrichment.domain.catalog.markup import (
    UNJOINING,
    without_ruby,
    without_spoilers,
    without_syntax,
)
from manga_enrichment.domain.catalog.warnings import Note, WarningReason, no_note
from manga_enrichment.domain.text.rule import HONEST, SUSPECT, is_blank, is_readable, readable

_MAX_ROUNDS = 4
"""Rounds of decoding: sources encode twice at times ("&amp;lt;br&amp;gt;"); more is somebody's game."""

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_REPEATED_AMP = re.compile(r"&(?:amp;)+")
_TAG_NAMES = (
    "a|abbr|b|big|blockquote|center|cite|code|del|em|font|h[1-6]|hr|i|img|ins|li|ol|pre|q|s|script|small|span|strike|"
    "strong|style|sub|sup|table|tbody|td|th|tr|tt|u|ul|spoiler"
)
_COMMENT = re.compile(r"<!--[^<>]{0,500}-->")
_BREAK_TAG = re.compile(r"</?(?:br|p|div)\b[^<>]{0,500}/?>", re.IGNORECASE)
_TAG = re.compile(rf"</?(?:{_TAG_NAMES})(?:\s[^<>]{{0,500}})?/?>", re.IGNORECASE)

_UNTIDY = re.compile(f"[^\n -%'-;=-~{HONEST}]")
"""What markup is written with, white space other than " ", and what no rule calls honest."""
_SPACES = re.compile(r"[^\S\n]+")
_AROUND_NEWLINE = re.compile(r" ?\n ?")
_MANY_NEWLINES = re.compile(r"\n{3,}")
_ANY_SPACE = re.compile(r"\s+")

_TAIL_CHARACTERS = 400
_SOURCE_WORDS = (
    r"(?:original\s+)?sources?(?:\s*[:：]|\s+-|\s+from\b)|from\s*:|(?:adapted|taken|edited|translated|quoted)\s+from\b|"
    r"(?:re)?written\s+by\b|(?:synopsis|summary|description|text)\s+(?:by|from|courtesy\s+of)\b|(?:credit|via)\s*[:：]|"
    r"(?:出典|引用元?|情報元|参照元?|参考|ソース|提供|文責)\s*[:：]"
)
_JAPANESE_TAIL = (
    r"(?:「?BOOK」?データベース|出版社|内容紹介|内容説明|公式サイト|公式HP|裏表紙|帯|作品紹介)[^()（）\n]{0,40}より"
)
_BRACKETED_TAIL = re.compile(
    rf"[(\[（［【〈<]\s*(?:(?:{_SOURCE_WORDS})(?:[^()（）\[\]\n]|\([^()\n]{{0,80}}\)){{0,200}}|{_JAPANESE_TAIL})\s*"
    r"[)\]）］】〉>]\s*[.。]?\s*\Z",
    re.IGNORECASE,
)
_LINE_TAIL = re.compile(
    rf"[~～\-—–*※\s]{{0,5}}(?:(?:sources?|出典|引用元?|情報元)\s*[:：][^\n]{{1,200}}|{_JAPANESE_TAIL})\s*\Z",
    re.IGNORECASE,
)
# "Source" in mid-line counts only as a sentence of its own.
_SENTENCE_TAIL = re.compile(r"(?<=[.!?。！？…\"”」』)）])\s*(?:Sources?|出典|引用元?)\s*[:：]\s*[^\n.!?。！？]{1,80}\Z")
_CLOSING = frozenset(")]）］】〉>")
_OPENING = frozenset("([（［【〈<")
_BRACKET_BEGINS_LINE = re.compile(r"\n[(\[（［【〈<]")
_PLACEHOLDER = re.compile(
    r"(?:n/?a|none|null|nan|tba|tbd|-+|―+|\.+|unknown|なし|未定|準備中|"
    r"no (?:synopsis|summary|description)(?: (?:information|yet|available|has been added)\b.{0,80})?)[.。]?\Z",
    re.IGNORECASE,
)


def clean_line(text: str) -> str:
    """One line: NFC, no markup, no invisible characters, single spaces. Cleaning twice changes nothing.

    "" for what has no visible character; so do the others below.
    """
    if is_plain(text):
        return text
    text = _ANY_SPACE.sub(" ", _without_markup(text)).strip()
    return "" if is_blank(text) else text


def clean_paragraphs(text: str) -> str:
    """Like `clean_line`, but line breaks stay; at most one empty line in a row."""
    # What has only spaces and line breaks, as most synopses, gets by with one look.
    if not _is_tidy(text):
        text = _without_markup(text)
        if not text.replace("\n", "").isprintable():
            text = _SPACES.sub(" ", text)
    if "  " in text:
        text = _SPACES.sub(" ", text)
    if "\n" in text:
        if " \n" in text or "\n " in text:
            text = _AROUND_NEWLINE.sub("\n", text)
        if "\n\n\n" in text:
            text = _MANY_NEWLINES.sub("\n\n", text)
    text = text.strip()
    return "" if is_blank(text) else text


def _is_tidy(text: str) -> bool:
    """No markup, no white space but spaces and line breaks, nothing that the rule of text is about."""
    if text.isascii():
        return "&" not in text and "<" not in text and text.replace("\n", "").isprintable()
    return _UNTIDY.search(text) is None and unicodedata.is_normalized("NFC", text)


def clean_synopsis(text: str, note: Note = no_note) -> str:
    """Paragraphs without attributions and spoilers; "" for a placeholder such as "No synopsis yet"."""
    paragraphs = _without_marks(text, note)
    cleaned = strip_attribution(paragraphs)
    if cleaned != paragraphs:
        note(WarningReason.ATTRIBUTION)
    if _PLACEHOLDER.match(cleaned) is None:
        return cleaned
    note(WarningReason.PLACEHOLDER)
    return ""


def _without_marks(text: str, note: Note) -> str:
    """Until no spoiler and no markup is left: what decoding brings to light counts as well."""
    spoilers = changes = False
    for _ in range(_MAX_ROUNDS):
        shown = without_spoilers(text)
        plain = without_syntax(shown)
        if plain == text and changes:
            break  # cleaned before
        cleaned = clean_paragraphs(plain)
        spoilers |= shown != text
        changes |= plain != shown or (cleaned != plain and not _same_words(cleaned, plain))
        text = cleaned
        if not (spoilers or changes):
            break
    if spoilers:
        note(WarningReason.SPOILER)
    if changes:
        note(WarningReason.CLEANED)
    return text


def _same_words(cleaned: str, raw: str) -> bool:
    return cleaned.split() == unicodedata.normalize("NFC", raw).split()


def strip_attribution(text: str) -> str:
    """Remove what says where the text comes from, for example "(Source: …)" or "（出典：…）".

    Most synopses have one; it would make equal texts differ and tells a model nothing. In the middle only a bracket
    that is a line by itself is one.
    """
    while text:
        start = _attribution_start(text)
        if start is None:
            break
        text = text[:start].rstrip()
    if text[:1] not in _OPENING and _BRACKET_BEGINS_LINE.search(text) is None:
        return text
    kept = [line for line in text.split("\n") if line[:1] not in _OPENING or not _is_attribution(line)]
    return _MANY_NEWLINES.sub("\n\n", "\n".join(kept)).strip()


def _is_attribution(line: str) -> bool:
    return len(line) <= _TAIL_CHARACTERS and _BRACKETED_TAIL.match(line) is not None


def _attribution_start(text: str) -> int | None:
    """Where the last attribution tail begins; None when the text does not end in one."""
    tail_start = max(0, len(text) - _TAIL_CHARACTERS)
    has_colon = text.find(":", tail_start) >= 0 or text.find("：", tail_start) >= 0
    if text.rstrip(" .。\n")[-1:] in _CLOSING:
        bracketed = _BRACKETED_TAIL.search(text, tail_start)
        if bracketed is not None:
            return bracketed.start()
    if not has_colon and not text.endswith("より", 0, len(text.rstrip())):
        return None
    line_start = text.rfind("\n") + 1
    if len(text) - line_start <= _TAIL_CHARACTERS and _LINE_TAIL.match(text, line_start):
        return line_start
    sentence = _SENTENCE_TAIL.search(text, tail_start)
    return None if sentence is None else sentence.start()


def decode_entities(text: str) -> str:
    """HTML entities as characters, also when they were encoded more than once."""
    for _ in range(_MAX_ROUNDS if "&" in text else 0):
        decoded = _ENTITY.sub(_decode_entity, _REPEATED_AMP.sub("&", text))
        if decoded == text:
            break
        text = decoded
    return text


def _decode_entity(match: re.Match[str]) -> str:
    """Unknown names stay as they are; numbers that are no character vanish."""
    return html.unescape(match[0]).replace("\ufffd", "")


def is_plain(text: str) -> bool:
    """Nothing to clean; true for most values, and far cheaper than cleaning.

    The only printable white space is " ".
    """
    return (
        text.isprintable()
        and "&" not in text
        and "<" not in text
        and "  " not in text
        and text[:1] != " "
        and text[-1:] != " "
        and (
            text.isascii()
            or (unicodedata.is_normalized("NFC", text) and (SUSPECT.search(text) is None or is_readable(text)))
        )
    )


def _without_markup(text: str) -> str:
    for _ in range(_MAX_ROUNDS):
        before = text
        if "\r" in text or SUSPECT.search(text) is not None:
            text = readable(text)
            if "\u200c" in text or "\u200d" in text:
                text = UNJOINING.sub("", text)
        if "&" in text:
            text = decode_entities(text)
        if "<" in text:
            text = without_ruby(text)
            text = _TAG.sub("", _BREAK_TAG.sub("\n", _COMMENT.sub("", text)))
        text = unicodedata.normalize("NFC", text)
        if text == before or _is_tidy(text):
            break
    return text
