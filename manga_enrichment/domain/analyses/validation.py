"""Whether a model's answer counts: its schema first, then what a schema cannot see.

Belongs here: an answer without what no text holds, and turning it into a short list of problems, fit to be sent back
for one repair. Stays out: the schemas and checks themselves (one module per analysis), the rule for text
(`domain/text/rule.py`).
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

import fastjsonschema
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from manga_enrichment.domain.analyses.base import AnalysisType, Answer, TitleInputs
from manga_enrichment.domain.analyses.shaping import shaped
from manga_enrichment.domain.text.rule import is_blank, readable

MAX_PROBLEMS = 5
MAX_PROBLEM_CHARACTERS = 300
"""Bounds on what goes back to the model and into logs: an answer may be long, and long values get quoted."""


_DEEPEST = 32
"""Levels of an answer; no schema has half as many."""


def readable_answer(answer: Answer) -> dict[str, Any]:
    """The answer with the rule for text applied to every string and name in it; null for what is nested too deeply."""
    return {readable(name): _readable(value, _DEEPEST) for name, value in answer.items()}


def _readable(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return readable(value)
    if value is None or isinstance(value, (int, float)) or not isinstance(value, (dict, list, Mapping)):
        return value
    if not levels:
        return None
    if isinstance(value, list):
        return [_readable(each, levels - 1) for each in value]
    return {readable(name): _readable(each, levels - 1) for name, each in value.items()}


def shaped_answer(analysis: AnalysisType, found: Sequence[Any]) -> dict[str, Any] | None:
    """The first of what a reply holds that fits the schema, freed of its wrapping where it must be.

    found: what may be the answer, likeliest first. Where nothing fits, the first object, to be repaired; else None.
    """
    objects: list[dict[str, Any]] = []
    for each in found:
        if isinstance(each, dict) and _fits(analysis, each):
            return each
        shape = shaped(analysis.output_schema, each)
        if not isinstance(shape, dict):
            continue
        if _fits(analysis, shape):
            return shape
        objects.append(each if isinstance(each, dict) else shape)
    return objects[0] if objects else None


def _fits(analysis: AnalysisType, answer: Answer) -> bool:
    try:
        _quick_check(analysis)(answer)
    except fastjsonschema.JsonSchemaException:
        return False
    return True


def answer_problems(analysis: AnalysisType, answer: Answer, inputs: TitleInputs) -> list[str]:
    """What is wrong with an answer, in a few short sentences; [] when it counts. An empty text is the schema's word."""
    if _fits(analysis, answer) and _is_plain(answer):  # nearly all are; what follows finds words for the others
        return _shortened(analysis.check(answer, inputs))
    unwritable = _unwritable(answer)
    if unwritable is not None:
        return [unwritable]
    return _schema_problems(analysis, answer) or _shortened([*_blank_texts(answer), *analysis.check(answer, inputs)])


def _schema_problems(analysis: AnalysisType, answer: Answer) -> list[str]:
    try:
        _quick_check(analysis)(answer)
    except fastjsonschema.JsonSchemaException:  # it stops at the first problem and words it for programmers
        return _shortened(
            _sentence(error, quoting=not analysis.private) for error in _validator(analysis).iter_errors(answer)
        )
    return []


def value_problems(schema: Mapping[str, Any], value: Any) -> list[str]:
    """What is wrong with one value of an answer, that a person gives; [] when the schema takes it."""
    unwritable = _unwritable(value)
    if unwritable is not None:
        return [unwritable]
    errors = Draft7Validator(schema).iter_errors(value)
    return _shortened([*map(_of_value, errors), *_blank_texts(value, "the value")])


_RULES_IN_WORDS: Mapping[str, str] = {
    "enum": "must be one of {}",
    "type": "must be of type {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} entries",
    "maxItems": "must have at most {} entries",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
}


def _of_value(error: ValidationError) -> str:
    """For people; the value itself may be long."""
    path = "".join(f"{part}: " for part in error.absolute_path)
    if str(error.validator) not in _RULES_IN_WORDS:
        return f"{path}{error.message}"
    limit = error.validator_value
    said = ", ".join(str(each) for each in limit) if isinstance(limit, list) else str(limit)
    shown = f"{json.dumps(error.instance, ensure_ascii=False):.60}"
    return f"{path}{shown} {_RULES_IN_WORDS[str(error.validator)].format(said)}"


@cache
def _quick_check(analysis: AnalysisType) -> Callable[[Answer], Answer]:
    """A compiled validator: nearly every answer is fine, and jsonschema takes several times as long to say so."""
    compiled: Callable[[Answer], Answer] = fastjsonschema.compile(dict(analysis.output_schema))
    return compiled


@cache
def _validator(analysis: AnalysisType) -> Draft7Validator:
    return Draft7Validator(analysis.output_schema)


def _is_plain(value: Any) -> bool:
    """Whether each text in it can be seen and written, and each number, too. False as well where a look is needed."""
    if isinstance(value, str):
        if value.isascii() and value.isprintable():  # its only white space is " "
            return not value or not value.isspace()
        return (value.isascii() or _is_encodable(value)) and not (value and is_blank(value))
    if isinstance(value, dict):
        return all(map(str.isascii, value)) and all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return math.isfinite(value) if isinstance(value, float) else value is None or isinstance(value, int)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unwritable(answer: Any) -> str | None:
    """NaN passes every range of a schema, and a lone surrogate only fails when a table is written."""
    try:
        json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return "the answer holds a number or character that JSON in UTF-8 cannot carry"
    return None


def _blank_texts(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, str):
        if value and is_blank(value):
            yield f"{path}: has no visible character"
    elif isinstance(value, Mapping | list):
        places = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, each in places:
            yield from _blank_texts(each, f"{path}.{name}" if path else str(name))


def _sentence(error: ValidationError, *, quoting: bool) -> str:
    path = ".".join(str(part) for part in error.absolute_path) or "answer"
    if not quoting:
        return f"{path}: {error.validator} must be {json.dumps(error.validator_value)}"
    return f"{path}: {error.message}"


def _shortened(problems: Iterable[str]) -> list[str]:
    return [
        problem if len(problem) <= MAX_PROBLEM_CHARACTERS else problem[: MAX_PROBLEM_CHARACTERS - 1] + "…"
        for problem in islice(problems, MAX_PROBLEMS)
    ]
