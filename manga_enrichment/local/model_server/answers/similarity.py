"""Re-ranking of the candidates that the prompt offers, by overlap of character n-grams and of genres.

Belongs here: the measure and the reasons. Stays out: retrieval; only given candidates are ever named.
"""

from dataclasses import dataclass
from functools import cache, lru_cache

from manga_enrichment.local.model_server.answers.genres import Reading, read_genres
from manga_enrichment.local.model_server.answers.title_prompt import Candidate, TitlePrompt

_LATIN_GRAM, _JAPANESE_GRAM = 4, 2
_WORTH_NAMING = 0.45


@dataclass(frozen=True, slots=True)
class Similar:
    """A candidate, 0 to 1 for how similar it is, and one English sentence why."""

    manga_id: str
    score: float
    reason: str


def n_grams(text: str, length: int) -> set[str]:
    """All substrings of `length` characters of the lower-cased text."""
    text = text.lower()
    return {text[start : start + length] for start in range(len(text) - length + 1)}


def rank_candidates(title: TitlePrompt, reading: Reading, limit: int) -> list[Similar]:
    """The best candidates, best first, ties by id; those with little in common are left out."""
    own_id = title.fields.get("manga_id", "")
    own_text = "\n".join((title.titles, title.labels, title.synopsis))

    @cache
    def own_grams(length: int) -> set[str]:
        return n_grams(own_text, length)

    ranked: dict[str, Similar] = {}
    for candidate in title.candidates:
        if candidate.manga_id == own_id or candidate.manga_id in ranked:
            continue
        length = _LATIN_GRAM if candidate.hint.isascii() and candidate.title.isascii() else _JAPANESE_GRAM
        similar = _compare(candidate, reading, own_grams(length), length)
        if similar.score >= _WORTH_NAMING:
            ranked[candidate.manga_id] = similar
    return sorted(ranked.values(), key=lambda similar: (-similar.score, similar.manga_id))[:limit]


def _compare(candidate: Candidate, reading: Reading, own_grams: set[str], length: int) -> Similar:
    grams = n_grams(f"{candidate.title}\n{candidate.hint}", length)
    overlap = len(grams & own_grams) / len(grams) if grams else 0.0
    theirs = _read_candidate(candidate.title, candidate.hint)
    shared = [genre for genre in list(theirs.scores)[:3] if genre in list(reading.scores)[:3]]
    themes = [theme for theme in theirs.themes if theme in reading.themes]
    score = min(0.97, 0.2 + 0.6 * overlap + 0.2 * min(len(shared), 2) + 0.08 * min(len(themes), 2))
    return Similar(candidate.manga_id, round(score, 2), _reason(shared, themes, overlap))


@lru_cache(maxsize=4096)
def _read_candidate(title: str, hint: str) -> Reading:
    """The same candidates come back with many titles, so what they are about is read once."""
    return read_genres(TitlePrompt({"synopsis": f"{title}\n{hint}"}))


def _reason(genres: list[str], themes: list[str], overlap: float) -> str:
    common = [genre.replace("_", " ") for genre in genres[:2]] + themes[:2]
    if common:
        return f"Both have {', '.join(common)} at their core."
    return f"Their descriptions share {overlap:.0%} of their wording."
