"""Characters of a request's texts that reject it, and those worth a warning.

Belongs here: which break of the one rule for text is told how, mixed scripts. Stays out: the rule
(`domain/text/rule.py`), which fields are text (`domain/requests/schemas.py:text_fields`).

A partner can mend a text, so what the rule takes out elsewhere rejects a request here, with its place, and so does a
text without a visible character where one is required: it would be paid for and says nothing.
What only warns: it occurs in honest text (zero-width spaces and soft hyphens from web pages, gaiji from the private use
area, kaomoji with Cyrillic letters, mojibake), but a human should look when answers are odd.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from manga_enrichment.domain.requests.problems import Code, Location, Problem, problem
from manga_enrichment.domain.text import rule

VALIDATOR = "unicode"


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
    _rule(Code.CONTROL_CHARACTER, "control character(s)", f"[{rule.CONTROLS}]"),
    _rule(Code.LONE_SURROGATE, "lone surrogate(s)", f"[{rule.SURROGATES}]"),
    _rule(Code.NONCHARACTER, "noncharacter(s)", f"[{rule.NONCHARACTERS}]"),
    _rule(Code.BIDI_CONTROL, "control(s) of text direction", f"[{rule.BIDI_CONTROLS}]"),
    _rule(Code.HIDDEN_TEXT, "run(s) of tag characters", f"[{rule.TAGS}]+"),
    _rule(Code.HIDDEN_TEXT, "run(s) of variation selectors", f"[{rule.SELECTORS}]{{2,}}", f"[{rule.SELECTORS}]"),
    _rule(Code.INVISIBLE_CHARACTER_WARNING, "invisible character(s)", f"[{rule.SHAPELESS}]"),
    _rule(Code.INVISIBLE_CHARACTER_WARNING, "run(s) of joiners", f"[{rule.JOINERS}]{{2,}}", f"[{rule.JOINERS}]"),
    _rule(
        Code.UNREADABLE_CHARACTER_WARNING,
        "private-use or replacement character(s)",
        "[\ue000-\uf8ff\ufffd\U000f0000-\U000ffffd\U00100000-\U0010fffd]",
    ),
)

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
    if text and rule.is_blank(text):
        code = Code.BLANK_TEXT if required else Code.BLANK_TEXT_WARNING
        found.append(problem(location, code, VALIDATOR, "has no visible character"))
    suspects = "" if text.isascii() and text.isprintable() else "".join(set(rule.SUSPECT.findall(text)))
    if suspects:
        found += _character_problems(location, text, suspects)
        scripts = _mixed_scripts(text, suspects)
        if scripts:
            message = f"mixes scripts that rarely occur together: {scripts}"
            found.append(problem(location, Code.MIXED_SCRIPT_WARNING, VALIDATOR, message))
    return found


def _character_problems(location: Location, text: str, suspects: str) -> Iterator[Problem]:
    text = rule.FLAG.sub(lambda flag: "?" * len(flag[0]), text)
    for each in _RULES:
        if each.trigger.search(suspects) is None:
            continue
        first = each.pattern.search(text)
        if first is not None:
            count = sum(1 for _ in each.pattern.finditer(text))
            where = f"the first is U+{ord(first[0][0]):04X} at character {first.start() + 1}"
            yield problem(location, each.code, VALIDATOR, f"has {count} {each.name}; {where}")


def _mixed_scripts(text: str, suspects: str) -> str:
    """The scripts of a suspicious mix, "" when there is none."""
    foreign = [name for name, characters in _FOREIGN.items() if characters.search(suspects)]
    if foreign and _CJK.search(text) is not None:
        return ", ".join(("Chinese/Japanese/Korean", *foreign))
    if "Cyrillic" in foreign and _LOOKALIKE_WORD.search(text):
        return "Latin, Cyrillic (within a word)"
    return ""
