"""The candidates of a title in its prompt: all of them, with as much of each as all together may take.

Belongs here: the lines, the budget of their hints, what of a hint is kept. Stays out: what a hint is made of
(`candidates.py`), which titles are candidates (`pipeline/candidates/pairs.py`).

Hints are most of what a title's prompt says, and each is paid for with every title that shows it. They are bounded in
tokens, since a Japanese character is five times as many as a Latin one. What is shown of a candidate is no part of an
answer's fingerprint, as its own title and synopsis are not: an answer that was given with longer hints is as good.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.analyses.text import without_brackets
from manga_enrichment.domain.prompts.quoting import cut_at_sentence, folded, one_line
from manga_enrichment.domain.prompts.tokens import estimate_tokens

HINT_TOKENS = 22
"""Of a candidate, on average over the list: what short hints leave over goes to long ones."""
LEAST_LEAD_TOKENS = 5
"""A shorter beginning of a synopsis says nothing."""
LABEL_FIELDS = ("publisher_genres", "themes", "demographics")


def candidate_line(candidate: Candidate) -> str:
    """A title on one line: id, title, what is said of it."""
    cells = (candidate.manga_id, candidate.title, candidate.hint)
    return " | ".join(without_brackets(one_line(cell)).replace("|", "¦") for cell in cells if cell)


def candidate_lines(candidates: Sequence[Candidate], fields: Mapping[str, Any]) -> str:
    """A line a candidate. fields: of the title they are for; labels that it shares with one stay in the hint."""
    shared = {folded(label) for name in LABEL_FIELDS for label in fields.get(name, ())}
    most = _most_of_each([estimate_tokens(each.hint) for each in candidates])
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
    if estimate_tokens(hint) <= tokens:
        return hint
    labels, lead = _parts(hint)
    kept = _kept_labels(labels, tokens // 2 if lead else tokens, shared)
    said = ", ".join(kept)
    room = tokens - estimate_tokens(f"{said}; " if said else "")
    beginning = _cut(lead, room) if lead and room >= LEAST_LEAD_TOKENS else ""
    return "; ".join(part for part in (said, beginning) if part)


@lru_cache(maxsize=8192)  # a title is in some twenty lists
def _parts(hint: str) -> tuple[tuple[str, ...], str]:
    """(labels, none twice; beginning of the synopsis). Without labels a hint is a synopsis alone."""
    labels, mark, lead = hint.partition("; ")
    if not mark or any(sign in labels for sign in ".。!！?？"):
        return (), hint
    distinct = {folded(label): label for label in reversed(labels.split(", "))}
    return tuple(reversed(distinct.values())), lead


def _kept_labels(labels: Iterable[str], tokens: int, shared: Collection[str]) -> list[str]:
    """In their order."""
    names = list(labels)
    left = tokens
    kept = set()
    for label in sorted(names, key=lambda each: folded(each) not in shared):
        left -= estimate_tokens(f"{label}, ")
        if left < 0 and folded(label) not in shared:
            break
        kept.add(label)
    return [label for label in names if label in kept]


def _cut(text: str, tokens: int) -> str:
    """At most so many tokens."""
    if estimate_tokens(text) <= tokens:
        return text
    limit = bisect_right(range(len(text)), tokens, key=lambda end: estimate_tokens(text[:end] + "…"))
    return cut_at_sentence(text, max(1, limit))
