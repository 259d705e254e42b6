"""Candidates for `similar_series`: how one is described, when a stored list is kept, the table's columns.

Belongs here: pure decisions about candidate lists. Stays out: finding them (`pipeline/candidates/pairs.py`) and Arrow
(`pipeline/candidates/tables.py`).
"""

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.prompts.quoting import cut_at_sentence
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


def replaces(*, stored: int, gone: int, fresh: int, missed: int, threshold: float = REFRESH_THRESHOLD) -> bool:
    """Whether a fresh list takes the place of the stored one, by numbers of titles.

    stored: in the stored list; gone: of these, no longer in the catalog; fresh: in the fresh list; missed: of these,
    not in the stored one. Candidate ids are part of an answer's fingerprint, and every catalog change moves some ranks,
    so taking each fresh list would pay for nearly the whole catalog every night. The stored list therefore stays unless
    it is empty, names a title that left the catalog, or misses at least `threshold` (0 to 1) of the fresh list.
    """
    if not stored or gone:
        return True
    return fresh > 0 and missed / fresh >= threshold


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, limit: int) -> str:
    line = _one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip(" ,") + "…"
