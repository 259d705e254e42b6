"""The document of an analysis: a TOML file as plain data, and what is wrong with one, a sentence a fault.

Belongs here: keys, their types and bounds. Stays out: what an answer's schema may hold (`answer_schemas.py`), the
analysis that a document becomes (`making.py`), which documents there are (`registry.py`).

A document may come from anybody: nothing of it is used before all of it has been looked at.
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from manga_enrichment.domain.analyses.answer_schemas import closed, schema_faults
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.text.rule import is_blank, readable

SUFFIX = ".toml"
MOST_CHARACTERS = 100_000
NAME_PATTERN = "[a-z](?:_?[a-z0-9])*"
LONGEST_NAME = 40
MOST_MINIMUM = 10_000
_LONGEST_TEXT: Mapping[str, int] = {
    "version": 40,
    "description": 200,
    "about": 300,
    "request": 500,
    "instructions": 20_000,
    "model": 200,
    "reason": 200,
    "doc": 250,
}
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "version", "description", "about", "request", "instructions", "model"), str),
    **dict.fromkeys(("fields", "parts"), list),
    **dict.fromkeys(("max_tokens", "expected_output_tokens"), int),
    **dict.fromkeys(("candidates", "on_request", "rules"), bool),
    "temperature": (int, float),
    **dict.fromkeys(("enough", "answer", "columns"), dict),
}
_WORDS: Mapping[Any, str] = {
    str: "a text in quotes",
    list: "a list of names",
    int: "a whole number",
    bool: "true or false",
    (int, float): "a number",
    dict: "a table",
}
_NEEDED = ("name", "description", "fields", "instructions", "max_tokens", "enough", "answer")
_NEEDED_OF_PARTS = ("name", "description", "parts", "instructions", "max_tokens")
MOST_TOKENS = 32_000
NOTE = "additional_context"


class AnalysisDocumentError(ConfigurationError):
    """A document that cannot be used; the message has one sentence a fault."""


@dataclass(frozen=True, slots=True)
class Enough:
    """What a title must have to be asked about: one of any_of, or one text of so many weighted characters."""

    reason: str
    any_of: tuple[str, ...] = ()
    text: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. version: "" for the hash of what reaches the model. rules: it has a module beside it.

    about: the description for people; "" where the one that models read will do.
    """

    name: str
    description: str
    instructions: str
    max_tokens: int
    version: str = ""
    about: str = ""
    fields: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    enough: Enough = Enough("")
    answer: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    request: str = "Analyse the title above."
    expected_output_tokens: int = 0
    model: str = "haiku"
    temperature: float = 0.2
    candidates: bool = False
    on_request: bool = False
    rules: bool = False


def read_document(text: str, file: str, fields: Collection[str] | None = None) -> Document:
    """file: its name, which is that of the analysis and `.toml`. fields: what a title may have; None: not looked at.

    Raises AnalysisDocumentError with all faults.
    """
    if len(text) > MOST_CHARACTERS:
        raise AnalysisDocumentError(f"{file}: it has more than {MOST_CHARACTERS:,} characters; shorten it")
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise AnalysisDocumentError(f"{file} is not TOML: {error}") from error
    faults = list(_kind_faults(content)) or list(_faults(content, file, fields))
    if faults:
        raise AnalysisDocumentError("\n".join(f"{file}: {fault}" for fault in faults))
    enough = content.get("enough", {"reason": ""})
    content |= {name: tuple(content[name]) for name in ("fields", "parts") if name in content}
    content["enough"] = Enough(enough["reason"], tuple(enough.get("any_of", ())), enough.get("text", {}))
    content["expected_output_tokens"] = content.get("expected_output_tokens", max(1, content["max_tokens"] // 3))
    content["answer"] = closed(content.get("answer", {}))
    return Document(**content)


def _kind_faults(content: Mapping[str, Any]) -> Iterator[str]:
    """Keys that are none, that lack, or that hold something else: what makes looking further pointless."""
    for key, value in content.items():
        kind = _KINDS.get(key)
        if kind is None:
            yield f"{_shown(key)} is no key of an analysis; the keys are {', '.join(_KINDS)}"
        elif not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            yield f"{key} must be {_WORDS[kind]}, not {_shown(value)}"
    needed = _NEEDED_OF_PARTS if "parts" in content else _NEEDED
    yield from (f"{key} is missing; add it" for key in needed if key not in content)
    if "parts" in content:
        own = [key for key in ("fields", "enough", "answer", "columns", "candidates") if key in content]
        yield from (f"{key} is that of its parts; take it out" for key in own)


def _faults(content: Mapping[str, Any], file: str, fields: Collection[str] | None) -> Iterator[str]:
    yield from _name_faults(content["name"], file)
    for key in ("version", "description", "about", "request", "instructions", "model"):
        if key in content:
            yield from text_faults(key, content[key], _LONGEST_TEXT[key])
    yield from _list_faults("parts", content.get("parts", ["-"]), None)
    yield from _list_faults("fields", content.get("fields", ["-"]), fields)
    yield from _number_faults(content)
    if "enough" in content:
        yield from _enough_faults(content["enough"], content["fields"])
    if "answer" in content:
        has_table = not content.get("on_request", False)
        yield from schema_faults(content["answer"], has_table=has_table)
        yield from _column_faults(content.get("columns", {}), content["answer"], has_table=has_table)


def _name_faults(name: str, file: str) -> Iterator[str]:
    if not re.fullmatch(NAME_PATTERN, name) or len(name) > LONGEST_NAME:
        yield (
            f"name {_shown(name)} must be small letters, digits and single underscores, a letter first, at most "
            f"{LONGEST_NAME}, for example cover_mood"
        )
    elif file != name + SUFFIX:
        yield f"name {name!r} is not that of the file; call the file {name}{SUFFIX}"


def text_faults(key: str, value: Any, longest: int) -> Iterator[str]:
    """What is wrong with a text of the document."""
    if not isinstance(value, str):
        yield f"{key} must be a text in quotes, not {_shown(value)}"
    elif is_blank(value):
        yield f"{key} is empty; say something or take it out"
    elif len(value) > longest:
        yield f"{key} has {len(value):,} characters; at most {longest:,} are taken"
    elif readable(value) != value:
        yield f"{key} has characters that nobody sees, such as control characters; take them out"


def _list_faults(key: str, value: list[Any], known: Collection[str] | None) -> Iterator[str]:
    if not value or not all(isinstance(each, str) for each in value):
        yield f"{key} must name one or more, each a text in quotes"
        return
    if len(set(value)) != len(value):
        yield f"{key} names something twice; once is enough"
    for each in value:
        if known is not None and each != "-" and each not in known:
            yield f"{key}: {_shown(each)} is no field of a title; choose among {', '.join(sorted(known))}"


def _number_faults(content: Mapping[str, Any]) -> Iterator[str]:
    most = content["max_tokens"]
    if not 1 <= most <= MOST_TOKENS:
        yield f"max_tokens must be between 1 and {MOST_TOKENS:,}, not {most}"
    if not 0 < content.get("expected_output_tokens", 1) <= max(most, 1):
        yield "expected_output_tokens must be at least 1 and at most max_tokens"
    if not 0 <= content.get("temperature", 0) <= 1:
        yield "temperature must be between 0 and 1"


def _enough_faults(enough: Mapping[str, Any], fields: Collection[str]) -> Iterator[str]:
    yield from (
        f"enough.{_shown(key)} is no key of it; the keys are reason, any_of, text"
        for key in enough.keys() - {"reason", "any_of", "text"}
    )
    yield from text_faults("enough.reason", enough.get("reason", ""), _LONGEST_TEXT["reason"])
    any_of, text = enough.get("any_of", []), enough.get("text", {})
    if not isinstance(any_of, list) or not isinstance(text, dict):
        yield "enough: any_of is a list of fields, text a table such as { synopsis = 40 }"
        return
    if not any_of and not text:
        yield "enough says nothing; give any_of, text or both, or every title is asked about however little is known"
    for each in [name for name in (*any_of, *text) if name not in (*fields, NOTE)]:
        yield f"enough: {_shown(each)} is none of its fields; add it to fields"
    for each, least in text.items():
        if not isinstance(least, int) or isinstance(least, bool) or not 1 <= least <= MOST_MINIMUM:
            yield f"enough.text.{_shown(each)} must be 1 to {MOST_MINIMUM:,} characters, a kanji counting double"


def _column_faults(columns: Mapping[str, Any], answer: Mapping[str, Any], *, has_table: bool) -> Iterator[str]:
    properties = answer.get("properties")
    if columns and not has_table:
        yield "columns: an analysis on request has no table; take them out"
    if not isinstance(properties, dict) or not has_table:
        return
    for key in columns.keys() - properties.keys():
        yield f"columns.{_shown(key)} is of no property of the answer; take it out"
    names = []
    for key, schema in properties.items():
        if not re.fullmatch(NAME_PATTERN, key):  # told with the schema
            continue
        said = columns.get(key, {})
        if not isinstance(said, dict) or said.keys() - {"name", "doc"}:
            yield f"columns.{key} takes name and doc alone"
            continue
        names.append(name := said.get("name", key))
        if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name) or len(name) > LONGEST_NAME:
            yield f"columns.{key}.name {_shown(name)} must be small letters, digits and single underscores"
        doc = said.get("doc", schema.get("description", "") if isinstance(schema, dict) else "")
        if not doc:
            yield f"answer.properties.{key} has no description; say in one sentence what it means"
        else:
            yield from text_faults(f"columns.{key}.doc", doc, _LONGEST_TEXT["doc"])
    if len(set(map(str, names))) != len(names):
        yield "columns: two have the same name; give one another name"


def _shown(value: Any) -> str:
    return f"{' '.join(readable(value).split()):.60}" if isinstance(value, str) else f"{value!r:.60}"
