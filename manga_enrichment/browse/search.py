"""Lists of titles: what was asked for, as a query of a URL, and the page of rows that answers it.

Belongs here: filters, what each means in SQL, sorting, paging. Stays out: how a row is shown (`pages.py`), the index
(`title_index.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import duckdb

from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.candidates.folding import kana_of

PAGE_ROWS = 50
MAX_PAGES = 200
"""Whoever wants more narrows the search: a later page costs as much as all before it."""
MAX_WORDS = 12
MAX_CHARACTERS = 200
IN_WORDS = "words"

SORTS = {
    "title": "sorted_by, manga_id",
    "cost": "cost_micro_usd DESC, manga_id",
    "least certain": "confidence NULLS LAST, manga_id",
    "latest answer": "answered_at DESC NULLS LAST, manga_id",
    "newest": "start_year DESC NULLS LAST, manga_id",
}
_TEXTS = ("q", "by", "genre", "level", "demographic", "magazine", "language", "analysis", "outcome", "sort")
_COLUMNS = (
    "manga_id, title, title_ja, title_en, authors, primary_genre, reading_level, min_age, language, start_year, "
    "confidence, cost_micro_usd, answered_at"
)

Find = Callable[[str], Sequence[tuple[str, tuple[str, ...]]]]
"""Words -> (manga_id, why it was found), best first."""


class BadQueryError(ValueError):
    """Something of the URL cannot be meant; the message says what can."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is to show; each field is a parameter of the URL of the same name, "" or None for any.

    by: "" for parts of titles, readings, authors and ids, `words` for the candidate index. confidence_to: of the less
    certain of genre and level, 0 to 1. cost_from: USD.
    """

    q: str = ""
    by: str = ""
    genre: str = ""
    level: str = ""
    demographic: str = ""
    magazine: str = ""
    language: str = ""
    analysis: str = ""
    outcome: str = ""
    sort: str = ""
    confidence_from: float | None = None
    confidence_to: float | None = None
    cost_from: float | None = None
    page: int = 1

    def url(self, **changes: Any) -> str:
        """The query that shows the same but for the changes; "" for a list of everything."""
        values = {name: getattr(self, name) for name in self.__slots__} | changes
        told = {
            name: value for name, value in values.items() if value not in ("", None) and (name, value) != ("page", 1)
        }
        return f"?{urlencode(told)}" if told else ""

    @property
    def is_narrowed(self) -> bool:
        return bool(self.q or self.chosen)

    @property
    def chosen(self) -> dict[str, Any]:
        """Filters that are set: name -> value."""
        values = {name: getattr(self, name) for name in self.__slots__ if name not in ("q", "by", "sort", "page")}
        return {name: value for name, value in values.items() if value not in ("", None)}


@dataclass(frozen=True, slots=True)
class Found:
    """rows: of one page; total: of all pages. why: manga_id -> reasons, of a search in words."""

    rows: Sequence[Mapping[str, Any]]
    total: int
    why: Mapping[str, tuple[str, ...]]

    @property
    def pages(self) -> int:
        return min(MAX_PAGES, max(1, -(-self.total // PAGE_ROWS)))


def wanted_of(query: Mapping[str, str], analyses: Sequence[str]) -> Wanted:
    """analyses: those whose outcomes can be asked for. Raises BadQueryError."""
    texts = {name: query.get(name, "").strip()[:MAX_CHARACTERS] for name in _TEXTS}
    _one_of(texts, "by", ("", IN_WORDS))
    _one_of(texts, "sort", ("", *SORTS))
    _one_of(texts, "analysis", ("", *analyses))
    _one_of(texts, "outcome", ("", *(each.value for each in Outcome)))
    return Wanted(
        **texts,
        confidence_from=_number(query, "confidence_from", 1),
        confidence_to=_number(query, "confidence_to", 1),
        cost_from=_number(query, "cost_from", 1e6),
        page=_page(query.get("page", "")),
    )


def search(connection: duckdb.DuckDBPyConnection, wanted: Wanted, analyses: Sequence[str], find: Find | None) -> Found:
    """One page. find: None where there is no candidate index. Raises BadQueryError."""
    why: dict[str, tuple[str, ...]] = {}
    conditions, values = _filters(wanted, analyses)
    order = SORTS[wanted.sort or "title"]
    if wanted.q and wanted.by == IN_WORDS:
        if find is None:
            raise BadQueryError("There is no candidate index here to ask in words: search for a part of a title.")
        why = dict(find(wanted.q))
        conditions.append("list_contains($ids, manga_id)")
        values["ids"] = list(why)
        order = order if wanted.sort else "list_position($ids, manga_id)"
    elif wanted.q:
        condition, of_text = _text_filter(wanted.q)
        conditions.append(condition)
        values |= of_text
        if not wanted.sort:
            order = f"starts_with(sorted_by, folded($whole)) DESC, {order}"
            values["whole"] = wanted.q
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    counted = {name: value for name, value in values.items() if f"${name}" in where}
    total = connection.execute(f"SELECT count(*) FROM titles {where}", counted).fetchall()[0][0]  # noqa: S608
    return Found(_rows(connection, f"{where} ORDER BY {order}", values, wanted.page), int(total), why)


def _rows(
    connection: duckdb.DuckDBPyConnection, chosen: str, values: Mapping[str, Any], page: int
) -> list[Mapping[str, Any]]:
    """chosen: WHERE and ORDER BY. A later page takes two steps, or all columns of all rows before it would be held."""
    limit = f"LIMIT {PAGE_ROWS} OFFSET {(page - 1) * PAGE_ROWS}"
    if page == 1:
        sql = f"SELECT {_COLUMNS} FROM titles {chosen} {limit}"  # noqa: S608 (values are parameters)
        return list(connection.sql(sql, params=values).to_arrow_table().to_pylist())
    places = [row[0] for row in connection.execute(f"SELECT rowid FROM titles {chosen} {limit}", values).fetchall()]  # noqa: S608
    if not places:
        return []
    listed = ", ".join(map(str, places))
    sql = f"SELECT rowid AS place, {_COLUMNS} FROM titles WHERE rowid IN ({listed})"  # noqa: S608 (numbers)
    rows = {row["place"]: row for row in connection.sql(sql).to_arrow_table().to_pylist()}
    return [rows[place] for place in places]


def facets(connection: duckdb.DuckDBPyConnection, limit: int = 200) -> dict[str, list[tuple[str, int]]]:
    """Filter -> its values and how many titles have each, the most frequent first."""
    rows = connection.execute(
        "SELECT facet, value, titles FROM facets "
        "QUALIFY row_number() OVER (PARTITION BY facet ORDER BY titles DESC, value) <= $limit "
        "ORDER BY titles DESC, value",
        {"limit": limit},
    ).fetchall()
    found: dict[str, list[tuple[str, int]]] = {}
    for facet, value, titles in rows:
        found.setdefault(facet, []).append((value, titles))
    return found


def titles_of(connection: duckdb.DuckDBPyConnection, manga_ids: Sequence[str]) -> dict[str, str]:
    """manga_id -> title, of those that the index has."""
    rows = connection.execute(
        "SELECT manga_id, title FROM titles WHERE list_contains($ids, manga_id)", {"ids": list(manga_ids)}
    ).fetchall()
    return dict(rows)


def _filters(wanted: Wanted, analyses: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    any_outcome = " OR ".join(f"outcome_{name} = $outcome" for name in analyses)
    of_one = f"outcome_{wanted.analysis} = $outcome" if wanted.analysis else f"({any_outcome})"
    cost = None if wanted.cost_from is None else round(wanted.cost_from * 1e6)
    known: list[tuple[str, str, Any]] = [
        ("genre", "primary_genre = $genre", wanted.genre),
        ("level", "reading_level = $level", wanted.level),
        ("demographic", "contains(demographics, '|' || $demographic || '|')", wanted.demographic),
        ("magazine", "contains(magazines, '|' || $magazine || '|')", wanted.magazine),
        ("language", "language = $language", wanted.language),
        ("confidence_from", "confidence >= $confidence_from", wanted.confidence_from),
        ("confidence_to", "confidence <= $confidence_to", wanted.confidence_to),
        ("cost_from", "cost_micro_usd >= $cost_from", cost),
        ("outcome", of_one, wanted.outcome),
    ]
    given = [each for each in known if each[2] not in ("", None)]
    conditions = [condition for _name, condition, _value in given]
    if wanted.analysis and not wanted.outcome:
        conditions.append(f"outcome_{wanted.analysis} IS NOT NULL")
    return conditions, {name: value for name, _condition, value in given}


def _text_filter(text: str) -> tuple[str, dict[str, str]]:
    """Every word is somewhere in what is searched; or the reading that Latin letters spell, as one."""
    words = text.split()[:MAX_WORDS]
    values = {f"word_{at}": word for at, word in enumerate(words)}
    condition = " AND ".join(f"contains(searched, folded(${name}))" for name in values)
    reading = kana_of(text)
    if reading is None:
        return f"({condition})", values
    return f"({condition} OR contains(searched, folded($reading)))", values | {"reading": reading}


def _one_of(texts: Mapping[str, str], name: str, allowed: Sequence[str]) -> None:
    if texts[name] not in allowed:
        raise BadQueryError(f"{name} is one of {', '.join(filter(None, allowed))}, or left out; not {texts[name]!r}.")


def _number(query: Mapping[str, str], name: str, most: float) -> float | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise BadQueryError(f"{name} is a number from 0 to {most:g}, or left out; not {text[:40]!r}.")
    return value


def _page(text: str) -> int:
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_PAGES):
        raise BadQueryError(f"page is a number from 1 to {MAX_PAGES}; not {text[:40]!r}.")
    return int(text)
