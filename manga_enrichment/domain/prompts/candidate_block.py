"""The candidates of a title in its prompt: all of them, with as much of each as all together may take.

Belongs here: the lines, the budget of their hints, what of a hint is kept. Stays out: what a hint is made of
(`candidates.py`), which titles are candidates (`pipeline/candidates/pairs.py`).

Hints are most of what a title's prompt says, and each is paid for with every title that shows it. They are bounded in
tokens, since a Japanese character is five times as many as a Latin one. What is shown of a candidate is no part of an
answer's fingerprint, as its own title and synopsis are not: an answer that was given with longer hints is as good.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.analyses.text import without_brackets
from manga_enrichment.domain.prompts.quoting import cut_at_sentence, folded, one_line
from manga_enrichment.domain.prompts.tokens import CHARACTERS_PER_TOKEN, estimate_tokens

HINT_TOKENS = 22
"""Of a candidate, on average over the list: what short hints leave over goes to long ones."""
LEAST_LEAD_TOKENS = 5
"""A shorter beginning of a synopsis says nothing."""
LABEL_FIELDS = ("publisher_genres", "themes", "demographics")


def candidate_line(candidate: Candidate) -> str:
    """A title on one line: id, title, what is said of it."""
    cells = [cell for cell in (candidate.manga_id, candidate.title, candidate.hint) if cell]
    line = " | ".join(cells)
    if one_line(line) == line and line.count("|") == len(cells) - 1 and without_brackets(line) == line:
        return line  # as nearly all are, so their cells need not be looked at one by one
    return " | ".join(without_brackets(one_line(cell)).replace("|", "¦") for cell in cells)


def candidate_lines(candidates: Sequence[Candidate], fields: Mapping[str, Any]) -> str:
    """A line a candidate. fields: of the title they are for; labels that it shares with one stay in the hint."""
    shared = frozenset(folded(label) for name in LABEL_FIELDS for label in fields.get(name, ()))
    return _lines(tuple(candidates), shared)


@lru_cache(maxsize=16)  # of one title two analyses show the list, one after the other
def _lines(candidates: tuple[Candidate, ...], shared: frozenset[str]) -> str:
    most = _most_of_each([_parts(each.hint).tokens for each in candidates])
    return "\n".join(
        candidate_line(Candidate(each.manga_id, each.title, shortened_hint(each.hint, most, shared)))
        for each in candidates
    )


def _most_of_each(wanted: Sequence[int]) -> int:
    """Tokens that no hint goes beyond, so that all take HINT_TOKENS on average."""
    left, waiting = HINT_TOKENS * len(wanted), len(wanted)
    for tokens in sorted(wanted):
        if tokens * waiting > left:
            return left // waiting
        left, waiting = left - tokens, waiting - 1
    return max(wanted, default=0)


def shortened_hint(hint: str, tokens: int, shared: Collection[str]) -> str:
    """Labels shared with the title, then others in at most half of the room, then the beginning of the synopsis.

    At most so many tokens, unless the shared labels alone are more. shared: folded.
    """
    parts = _parts(hint)
    if parts.tokens <= tokens:
        return hint
    lead = parts.lead
    kept = _kept_labels(parts.labels, tokens // 2 if lead else tokens, shared)
    said = ", ".join(kept)
    room = tokens - estimate_tokens(f"{said}; " if said else "")
    beginning = _cut(lead, room) if lead and room >= LEAST_LEAD_TOKENS else ""
    return "; ".join(part for part in (said, beginning) if part)


class _Label(NamedTuple):
    """tokens: with the comma after it."""

    text: str
    folded: str
    tokens: int


class _Parts(NamedTuple):
    """labels: none twice. lead: beginning of the synopsis. tokens: of the whole hint."""

    labels: tuple[_Label, ...]
    lead: str
    tokens: int


@lru_cache(maxsize=8192)  # a title is in some twenty lists
def _parts(hint: str) -> _Parts:
    """Without labels a hint is a synopsis alone."""
    labels, mark, lead = hint.partition("; ")
    if not mark or any(sign in labels for sign in ".。!！?？"):
        return _Parts((), hint, estimate_tokens(hint))
    distinct = {folded(label): label for label in reversed(labels.split(", "))}
    found = (_Label(text, key, estimate_tokens(f"{text}, ")) for key, text in reversed(distinct.items()))
    return _Parts(tuple(found), lead, estimate_tokens(hint))


def _kept_labels(labels: Sequence[_Label], tokens: int, shared: Collection[str]) -> list[str]:
    """In their order."""
    left, kept = tokens, set()
    for label in sorted(labels, key=lambda each: each.folded not in shared):
        left -= label.tokens
        if left < 0 and label.folded not in shared:
            break
        kept.add(label.text)
    return [label.text for label in labels if label.text in kept]


def _cut(text: str, tokens: int) -> str:
    """At most so many tokens."""
    if estimate_tokens(text) <= tokens:
        return text
    most = min(len(text), tokens * CHARACTERS_PER_TOKEN)  # nothing longer can be so few tokens
    limit = bisect_right(range(most), tokens, key=lambda end: estimate_tokens(text[:end] + "…"))
    return cut_at_sentence(text, max(1, limit))
