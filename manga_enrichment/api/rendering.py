"""What API Gateway makes of a mapping template: a Velocity engine and the variables `$input`, `$context`, `$util` ...

Belongs here: the engine and the variables our templates use, as AWS documents them. Stays out: what a right result
looks like (`checking.py`). The engine is airspeed-ext, which is kept in step with API Gateway's dialect.

Differences to AWS that are known: `$input.path` knows dotted names and list positions, not all of JSONPath; a body that
is no JSON gives nothing, where AWS may answer 500 itself. Velocity and this engine differ in whether a missing value is
true: our templates never ask that, they compare texts ("$!value" is empty when it is missing).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote_plus

from airspeed import TemplateError
from airspeed.operators import Template, __additional_methods__

# Java's methods that the engine lacks.
__additional_methods__[str].setdefault("toLowerCase", str.lower)
__additional_methods__[str].setdefault("matches", lambda text, pattern: re.fullmatch(pattern, text) is not None)
__additional_methods__[dict].setdefault("containsKey", dict.__contains__)


class RenderingError(ValueError):
    """The template is not Velocity, or fails with this input; says where."""


@dataclass(frozen=True, slots=True)
class TemplateInput:
    """What a template is rendered with.

    body              the request's payload, or the service's answer
    path, query, headers   parameters of the method request
    context           `$context` as nested mappings
    stage_variables   `$stageVariables`
    """

    body: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    stage_variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text, and what the template overrides: status (None leaves it) and headers of the response, parts of the path
    of the request."""

    text: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)


def render(template: str, given: TemplateInput) -> Rendered:
    """Raises RenderingError."""
    response: dict[str, Any] = {"header": {}}
    request: dict[str, Any] = {"path": {}}
    names = {
        "input": _Input(given),
        "context": {**given.context, "responseOverride": response, "requestOverride": request},
        "stageVariables": dict(given.stage_variables),
        "util": _Util(),
    }
    try:
        text = _parsed(template).merge(names)
    except TemplateError as error:
        raise RenderingError(str(error)) from error
    except (TypeError, AttributeError, KeyError, ValueError) as error:  # the engine lets some pass
        raise RenderingError(f"{type(error).__name__}: {error}") from error
    status = response.get("status")
    return Rendered(text, None if status is None else int(status), response["header"], request["path"])


def parse(template: str) -> None:
    """Raises RenderingError when the text is no Velocity template."""
    try:
        _parsed(template)
    except TemplateError as error:
        raise RenderingError(str(error)) from error


@cache
def _parsed(template: str) -> Template:
    parsed = Template(template)
    parsed.ensure_compiled()
    return parsed


class _Input:
    """`$input`."""

    def __init__(self, given: TemplateInput) -> None:
        self._given = given
        self.body = given.body

    def json(self, path: str) -> str:
        """JSON of what is at path, written anew: of a sloppy document nothing but its value comes through."""
        found = self._at(path)
        return "" if found is None else json.dumps(found, ensure_ascii=False)

    def path(self, path: str) -> Any:
        return self._at(path)

    def params(self, name: str | None = None) -> Any:
        kinds = {"path": self._given.path, "querystring": self._given.query, "header": self._given.headers}
        if name is None:
            return {kind: dict(values) for kind, values in kinds.items()}
        return next((values[name] for values in kinds.values() if name in values), "")

    def _at(self, path: str) -> Any:
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        for name in path.removeprefix("$").split("."):
            if not name:
                continue
            if isinstance(found, list) and name.isdigit():
                found = found[int(name)] if int(name) < len(found) else None
            else:
                found = found.get(name) if isinstance(found, dict) else None
        return found


class _Util:
    """`$util`."""

    def urlEncode(self, text: object) -> str:  # noqa: N802 - AWS's name
        """As java.net.URLEncoder: form encoding, and a lone surrogate becomes a question mark."""
        encoded = ("" if text is None else str(text)).encode("utf-8", "replace")
        return quote_plus(encoded, safe="*").replace("~", "%7E")

    def parseJson(self, text: object) -> Any:  # noqa: N802 - AWS's name
        """What JSON text says. Raises ValueError for what is none."""
        return json.loads(str(text))

    def escapeJavaScript(self, text: object) -> str:  # noqa: N802 - AWS's name
        """As Apache Commons Lang 2: also `'` and `/` get a backslash, of which only the latter is JSON."""
        return "".join(_escaped(unit) for unit in _utf16_units("" if text is None else str(text)))


_ESCAPES = {"\b": "\\b", "\n": "\\n", "\t": "\\t", "\f": "\\f", "\r": "\\r"} | {each: f"\\{each}" for each in "'\"\\/"}


def _escaped(unit: int) -> str:
    character = chr(unit)
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if 0x20 <= unit < 0x7F else f"\\u{unit:04X}"


def _utf16_units(text: str) -> list[int]:
    encoded = text.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(encoded[place : place + 2], "big") for place in range(0, len(encoded), 2)]
