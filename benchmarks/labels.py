"""Labelled relations, and how many of them lists of twenty find.

Belongs here: reading labels, the views of a catalog, recall with its intervals. Stays out: making labels
(`related_titles.py`) and lists (`retrieval.py`).
"""

import json
import random
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.related_titles import Relation
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import RejectedRow, clean_row
from manga_enrichment.pipeline.catalog.source_files import read_rows

SHIPPED = Path(__file__).parents[1] / "data" / "labels"
RESAMPLINGS = 2_000

View = Callable[[MangaRecord], MangaRecord | None]
Lists = Mapping[str, Sequence[str]]
"""manga_id -> ids of its candidates, best first."""

_JAPANESE = re.compile("[ぁ-ヿ々\u3400-\u9fff]")


def read_labels(path: Path) -> list[Relation]:
    """JSON lines with `manga_id`, `related` and `kind`, for example {"manga_id": "MNG-…", "related": "MNG-…"}."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return [Relation(row["manga_id"], row["related"], row.get("kind", "related")) for row in rows]


def read_titles(path: Path) -> list[MangaRecord]:
    """Of a catalog in any of the formats that the project imports; rows that are no titles are left out."""
    rows = (row for row in read_rows(path, uri=str(path)) if not isinstance(row, RejectedRow))
    records = (clean_row(row.values, row.number) for row in rows)
    return [record for record in records if isinstance(record, MangaRecord)]


def _whole(record: MangaRecord) -> MangaRecord:
    return record


def _japanese_title(record: MangaRecord) -> MangaRecord | None:
    """Nothing but the title in Japanese; None for a title without."""
    title = next((each for each in (record.title_ja, record.title) if each and _JAPANESE.search(each)), None)
    return None if title is None else MangaRecord(record.manga_id, title, title_ja=title)


def _english_title(record: MangaRecord) -> MangaRecord | None:
    title = next((each for each in (record.title_en, record.title) if each and not _JAPANESE.search(each)), None)
    return None if title is None else MangaRecord(record.manga_id, title, title_en=title)


def _without_labels(record: MangaRecord) -> MangaRecord:
    return replace(record, publisher_genres=(), themes=(), demographics=(), synopsis=None, magazines=())


VIEWS: Mapping[str, View] = {
    "all fields": _whole,
    "titles and authors": _without_labels,
    "Japanese title alone": _japanese_title,
    "English title alone": _english_title,
}


def seen(records: Iterable[MangaRecord], view: View) -> list[MangaRecord]:
    """The catalog as the view has it."""
    return [shown for record in records if (shown := view(record)) is not None]


def recalls(lists: Lists, relations: Iterable[Relation], ids: frozenset[str]) -> dict[str, float]:
    """manga_id -> share of what it is related to that its list names; both ends of a relation ask for the other.

    ids: of the catalog; a relation to what is not in it does not count.
    """
    related: dict[str, set[str]] = defaultdict(set)
    for relation in relations:
        if relation.manga_id in ids and relation.related in ids:
            related[relation.manga_id].add(relation.related)
            related[relation.related].add(relation.manga_id)
    return {each: len(wanted & set(lists.get(each, ()))) / len(wanted) for each, wanted in related.items()}


def families_of(relations: Iterable[Relation]) -> dict[str, str]:
    """manga_id -> one id of its family: what is related belongs together, however many steps apart."""
    family: dict[str, str] = {}
    for relation in relations:
        one, other = (_root(family, each) for each in (relation.manga_id, relation.related))
        family[max(one, other)] = min(one, other)
    return {each: _root(family, each) for each in family}


def _root(family: dict[str, str], manga_id: str) -> str:
    while family.setdefault(manga_id, manga_id) != manga_id:
        manga_id = family[manga_id]
    return manga_id


def interval(values: Mapping[str, float], family: Mapping[str, str]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean; whole families are drawn, since the recalls within one go together."""
    groups: dict[str, list[float]] = defaultdict(list)
    for manga_id, value in values.items():
        groups[family[manga_id]].append(value)
    drawn = [(sum(group), len(group)) for group in groups.values()]
    rng = random.Random(1)
    means = []
    for _ in range(RESAMPLINGS):
        sample = rng.choices(drawn, k=len(drawn))
        means.append(sum(total for total, _ in sample) / sum(count for _, count in sample))
    cuts = statistics.quantiles(means, n=40)
    return cuts[0], cuts[-1]


def shares_a_title_word(one: MangaRecord, other: MangaRecord) -> bool:
    """Whether a word of one's titles is one of the other's: between spaces and signs, or a run of one script."""
    return not _title_words(one).isdisjoint(_title_words(other))


_WORD = re.compile("[ぁ-ゖ]{2,}|[ァ-ヺー]{2,}|[々\u3400-\u9fff]{2,}|[^\\W_ぁ-ヿ々\u3400-\u9fff]{2,}")


def _title_words(record: MangaRecord) -> set[str]:
    titles = (record.title, record.title_ja or "", record.title_en or "")
    return {word for title in titles for word in _WORD.findall(title.casefold())}
