"""Lists and objects that a file holds as text.

Belongs here: JSON, what Python, numpy and PostgreSQL print of a list, and telling them from a title in brackets.
Stays out: what the items mean (`lists.py`, `people.py`).
"""

import ast
import csv
import json
import re
from contextlib import suppress
from typing import Any

import orjson

_MOST_CHARACTERS = 200_000
_DEEPEST = 30
_NUMPY = re.compile(r"""\[\s*(?:'[^']*'|"[^"]*")(?:\s+(?:'[^']*'|"[^"]*"))+\s*\]\Z""")
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_POSTGRES = re.compile(r'\{(?:[^{}:"\\]|"(?:[^"\\]|\\.)*")*\}\Z')


def container(text: str) -> list[Any] | dict[Any, Any] | None:
    """The list or object that a text holds, None when it is only a text: one can look like "[Oshi no Ko]"."""
    text = text.strip()
    if text[:1] not in {"[", "{", "("} or text[-1:] not in {"]", "}", ")"} or len(text) > _MOST_CHARACTERS:
        return None
    parsed = _json(text)
    if parsed is None:
        parsed = _python(text)
    if parsed is None and _POSTGRES.match(text) is not None:
        with suppress(csv.Error):  # a line break that is no part of an item
            parsed = [item for row in csv.reader([text[1:-1]], escapechar="\\") for item in row]
    return parsed


def looks_like_container(text: str) -> bool:
    return text[:1] in {"[", "{"} and text[-1:] in {"]", "}"} and container(text) is not None


def _json(text: str) -> list[Any] | dict[Any, Any] | None:
    try:
        parsed = orjson.loads(text)
        if isinstance(parsed, list) and all(isinstance(item, str) for item in parsed):
            return parsed  # as most are; of numbers the standard library keeps all digits
    except orjson.JSONDecodeError:
        pass  # the standard library also takes NaN and lone surrogates
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, list | dict) else None


def _python(text: str) -> list[Any] | dict[Any, Any] | None:
    """What `repr` or numpy wrote; sets in the order of the text."""
    if _NUMPY.match(text) is not None:
        return [single or double for single, double in _QUOTED.findall(text)]
    if sum(map(text.count, "[({")) > _DEEPEST * 100 or _depth(text) > _DEEPEST:
        return None
    parsed = _literal(text)
    if isinstance(parsed, set | frozenset):
        parsed = _literal(f"[{text[1:-1]}]")
    if isinstance(parsed, tuple):
        parsed = list(parsed)
    return parsed if isinstance(parsed, list | dict) else None


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        if char in "[({":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "])}":
            depth -= 1
    return deepest
