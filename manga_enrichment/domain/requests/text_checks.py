"""Characters that no text of a request should hold, and those worth a warning.

Belongs here: the one table of character rules, blank texts, mixed scripts. Stays out: which fields are text
(`schemas.py:text_fields`), cleaning of catalog text (`domain/catalog/text.py`).

What rejects a request, and why:
- control characters except tab and line breaks, lone surrogates, noncharacters: no editor produces them, UTF-8, XML or
  a terminal cannot carry them;
- embeddings, overrides and isolates of text direction: a person reads another text than the model;
- hidden text: tag characters (other than the flags of England, Scotland and Wales) and runs of variation selectors
  spell out instructions that nobody sees. A single selector stays, names of people need it;
- a text without a visible character where one is required: it would be paid for and says nothing.
What only warns: it occurs in honest text (zero-width spaces and soft hyphens from web pages, joiners in emoji, gaiji
from the private use area, kaomoji with Cyrillic letters, mojibake), but a human should look when answers are odd.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from manga_enrichment.domain.requests.problems import Code, Location, Problem, problem

VALIDATOR = "unicode"


def _as_tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(letter)) for letter in text)


_PLANE_ENDS = "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17))
_TAGS = "\U000e0000-\U000e007f"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_JOINERS = "\u200c\u200d"
_FLAG = re.compile("|".join(f"\U0001f3f4{_as_tags(region)}\U000e007f" for region in ("gbeng", "gbsct", "gbwls")))
_INVISIBLE = (
    "\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U0001d173-\U0001d17a"
)


# Characters that no rule is about, nearly all of honest text: what is not among them gets a closer look. With it a
# Japanese text takes nanoseconds per character instead of hundreds.
_SUSPECT = re.compile(
    "[^\t\n\r -~\u00a0-\u00ac\u00ae-\u03ff\u1e00-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u27ff\u2e80-\u3163"
    "\u3165-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff9f\uffe0-\uffee\U0001f000-\U0001faff\U00020000-\U0002fa1f]"
)


@dataclass(frozen=True, slots=True)
class _Rule:
    """trigger: the characters without which the pattern cannot match."""

    code: Code
    name: str
    pattern: re.Pattern[str]
    trigger: re.Pattern[str]


def _rule(code: Code, name: str, pattern: str, trigger: str | None = None) -> _Rule:
    return _Rule(code, name, re.compile(pattern), re.compile(trigger or pattern))


_RULES = (
    _rule(Code.CONTROL_CHARACTER, "control character(s)", "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]"),
    _rule(Code.LONE_SURROGATE, "lone surrogate(s)", "[\ud800-\udfff]"),
    _rule(Code.NONCHARACTER, "noncharacter(s)", f"[\ufdd0-\ufdef{_PLANE_ENDS}]"),
    _rule(Code.BIDI_CONTROL, "control(s) of text direction", "[\u202a-\u202e\u2066-\u2069]"),
    _rule(Code.HIDDEN_TEXT, "run(s) of tag characters", f"[{_TAGS}]+"),
    _rule(Code.HIDDEN_TEXT, "run(s) of variation selectors", f"[{_SELECTORS}]{{2,}}", f"[{_SELECTORS}]"),
    _rule(Code.INVISIBLE_CHARACTER_WARNING, "invisible character(s)", f"[{_INVISIBLE}]"),
    _rule(Code.INVISIBLE_CHARACTER_WARNING, "run(s) of joiners", f"[{_JOINERS}]{{2,}}", f"[{_JOINERS}]"),
    _rule(
        Code.UNREADABLE_CHARACTER_WARNING,
        "private-use or replacement character(s)",
        "[\ue000-\uf8ff\ufffd\U000f0000-\U000ffffd\U00100000-\U0010fffd]",
    ),
)

_VISIBLE = re.compile(rf"[^\s{_INVISIBLE}{_JOINERS}{_SELECTORS}{_TAGS}\u2800]")

_CJK = re.compile(
    "[\u1100-\u11ff\u3005-\u3007\u3040-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U000323af]"
)
_CYRILLIC = "\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f"
# Greek stays out: α and Ω are part of Japanese titles.
_FOREIGN_TO_CJK = {
    "Cyrillic": _CYRILLIC,
    "Armenian": "\u0530-\u058f",
    "Hebrew": "\u0590-\u05ff\ufb1d-\ufb4f",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc",
    "Indic": "\u0900-\u0dff",
    "Thai or Lao": "\u0e00-\u0eff",
    "Tibetan": "\u0f00-\u0fff",
    "Georgian": "\u10a0-\u10ff\u2d00-\u2d2f",
    "Ethiopic": "\u1200-\u139f",
    "Cherokee": "\u13a0-\u13ff\uab70-\uabbf",
    "Khmer": "\u1780-\u17ff",
}
_FOREIGN = {name: re.compile(f"[{characters}]") for name, characters in _FOREIGN_TO_CJK.items()}
_LOOKALIKE_WORD = re.compile(f"[A-Za-z][{_CYRILLIC}]|[{_CYRILLIC}][A-Za-z]")


def text_problems(location: Location, text: str, *, required: bool) -> list[Problem]:
    """What is odd about the characters of one text. An empty text is fine: whether it may be is the schema's word.

    required: a text without visible characters is an error, otherwise a warning.
    """
    found = []
    if text and is_blank(text):
        code = Code.BLANK_TEXT if required else Code.BLANK_TEXT_WARNING
        found.append(problem(location, code, VALIDATOR, "has no visible character"))
    suspects = "" if text.isascii() and text.isprintable() else "".join(set(_SUSPECT.findall(text)))
    if suspects:
        found += _character_problems(location, text, suspects)
        scripts = _mixed_scripts(text, suspects)
        if scripts:
            message = f"mixes scripts that rarely occur together: {scripts}"
            found.append(problem(location, Code.MIXED_SCRIPT_WARNING, VALIDATOR, message))
    return found


def is_blank(text: str) -> bool:
    """Whether nothing in the text can be seen; True for an empty one."""
    return _VISIBLE.search(text) is None


def _character_problems(location: Location, text: str, suspects: str) -> Iterator[Problem]:
    text = _FLAG.sub(lambda flag: "?" * len(flag[0]), text)
    for rule in _RULES:
        if rule.trigger.search(suspects) is None:
            continue
        first = rule.pattern.search(text)
        if first is not None:
            count = sum(1 for _ in rule.pattern.finditer(text))
            where = f"the first is U+{ord(first[0][0]):04X} at character {first.start() + 1}"
            yield problem(location, rule.code, VALIDATOR, f"has {count} {rule.name}; {where}")


def _mixed_scripts(text: str, suspects: str) -> str:
    """The scripts of a suspicious mix, "" when there is none."""
    foreign = [name for name, characters in _FOREIGN.items() if characters.search(suspects)]
    if foreign and _CJK.search(text) is not None:
        return ", ".join(("Chinese/Japanese/Korean", *foreign))
    if "Cyrillic" in foreign and _LOOKALIKE_WORD.search(text):
        return "Latin, Cyrillic (within a word)"
    return ""
