"""Titles of the catalog in a conversation: how they are quoted, how many fit, and which ids a reply may name.

Belongs here: the text of the block, its bound in tokens, taking strange ids out of a reply. Stays out: finding the
titles (`pipeline/partner/shelf.py`), the rest of the prompt (`conversations.py`).
"""

import re
from collections.abc import Collection, Iterable, Sequence

from manga_enrichment.domain.analyses.base import Answer, Candidate, TitleInputs
from manga_enrichment.domain.prompts.candidate_block import candidate_line
from manga_enrichment.domain.prompts.tokens import estimate_tokens

MOST_TITLES = 6
CATALOG_TOKENS = 1_500
"""Of all titles quoted for one question; each of them is paid for with it."""
LEAST_TOKENS = 300
"""With less room nothing is quoted: a title or two at random would pass for all that there is."""
SUMMARY_CHARACTERS = 240

NOTHING_FOUND = "(no title of the catalog matches the last message)"

_ID = re.compile(r"\bMNG-[A-Z0-9]{8}\b", re.IGNORECASE | re.ASCII)
_LEFT_BEHIND = (
    (re.compile(r"([(（\[【])\s*[,;、／/|]\s*"), r"\1"),
    (re.compile(r"\s*[,;、／/|]\s*([)）\]】])"), r"\1"),
    (re.compile(r"\s*(?:\(\s*\)|（\s*）|\[\s*\]|【\s*】|`\s*`)"), ""),
    (re.compile(r"(?<=\S)[^\S\n]+(?=[.,;:!?。、！？])|[^\S\n]+$", re.MULTILINE), ""),
    (re.compile(r"(?<=\S)[^\S\n]{2,}(?=\S)"), " "),
)
"""What an id leaves behind: separators at a bracket, empty brackets, spaces."""


def catalog_block(titles: Sequence[Candidate]) -> str:
    """The titles, a line each; a sentence where there is none."""
    lines = [candidate_line(each) for each in titles] or [NOTHING_FOUND]
    return "\n".join(("<catalog>", *lines, "</catalog>"))


def titles_that_fit(titles: Iterable[Candidate], tokens: int) -> tuple[Candidate, ...]:
    """The first of them whose lines take at most so many tokens, and no more than MOST_TITLES."""
    fitting: list[Candidate] = []
    left = min(tokens, CATALOG_TOKENS)
    for title in titles:
        left -= 1 + estimate_tokens(candidate_line(title))
        if left < 0 or len(fitting) == MOST_TITLES:
            break
        fitting.append(title)
    return tuple(fitting)


def named_ids(text: str) -> list[str]:
    """Ids of titles in a text, in order, none twice."""
    return list(dict.fromkeys(found.upper() for found in _ID.findall(text)))


def without_strange_ids(answer: Answer, inputs: TitleInputs) -> Answer:
    """The reply without ids of titles that it was not shown."""
    return {**answer, "reply": _without(answer["reply"], {each.manga_id for each in inputs.candidates})}


def says_nothing_but_strange_ids(answer: Answer, inputs: TitleInputs) -> list[str]:
    left = without_strange_ids(answer, inputs)["reply"].strip()
    return [] if left else ["reply: names nothing but ids that are not in <catalog>"]


def _without(reply: str, shown: Collection[str]) -> str:
    if all(named in shown for named in named_ids(reply)):
        return reply
    reply = _ID.sub(lambda found: found[0] if found[0].upper() in shown else "", reply)
    for pattern, replacement in _LEFT_BEHIND:
        reply = pattern.sub(replacement, reply)
    return reply
