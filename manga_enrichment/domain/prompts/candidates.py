"""Candidates for `similar_series`: how one is described, when a stored list is kept, the table's columns.

Belongs here: pure decisions about candidate lists. Stays out: finding them (`pipeline/catalog/candidate_index.py`) and
Arrow (`pipeline/catalog/candidate_tables.py`).
"""

from collections.abc import Container, Sequence

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.prompts.prompt import cut_at_sentence
from manga_enrichment.domain.tables.columns import Column, ListOf, StructOf

REFRESH_THRESHOLD = 0.3
"""Share of unknown titles in a fresh list from which it replaces the stored one."""

HINT_LABELS_CHARACTERS = 80
HINT_SYNOPSIS_CHARACTERS = 80

CANDIDATE_COLUMNS: tuple[Column, ...] = (
    Column("manga_id", "string", "The title that the candidates are for.", False),
    Column(
        "candidates",
        ListOf(StructOf((("manga_id", "string"), ("title", "string"), ("hint", "string")))),
        "Titles that similar_series may name, best match first; hint is what the model is told about each.",
        False,
    ),
)


def candidate_of(record: MangaRecord) -> Candidate:
    """The record as others' candidate: its labels, then the lead of its synopsis, on a single line.

    Every title is shown in up to 20 prompts and paid for in each, hence at most 162 characters of hint.
    """
    labels = ", ".join(dict.fromkeys((*record.publisher_genres, *record.themes, *record.demographics)))
    parts = (
        _cut(labels, HINT_LABELS_CHARACTERS),
        cut_at_sentence(_one_line(record.synopsis or ""), HINT_SYNOPSIS_CHARACTERS),
    )
    return Candidate(record.manga_id, _one_line(record.title), "; ".join(part for part in parts if part))


def refresh(
    stored: Sequence[Candidate],
    fresh: Sequence[Candidate],
    existing_ids: Container[str],
    threshold: float = REFRESH_THRESHOLD,
) -> Sequence[Candidate]:
    """The list to ask with: `stored` as it is, or `fresh`.

    Candidate ids are part of an answer's fingerprint, and every catalog change moves some ranks, so taking each
    fresh list would pay for nearly the whole catalog every night. The stored list therefore stays unless it is
    empty, names a title that left the catalog (`existing_ids`), or misses at least `threshold` (0 to 1) of the
    fresh list.
    """
    if not stored or any(candidate.manga_id not in existing_ids for candidate in stored):
        return fresh
    if not fresh:
        return stored
    known = {candidate.manga_id for candidate in stored}
    missed = sum(candidate.manga_id not in known for candidate in fresh)
    return fresh if missed / len(fresh) >= threshold else stored


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, limit: int) -> str:
    line = _one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip(" ,") + "…"
