"""Pages as HTML, made from what was read.

Belongs here: templates and what each is given. Stays out: reading (`search.py`, `title.py`, `sql_box.py`), addresses
and status codes (`app.py`), the markup (`templates/title_list.html` and its neighbours).

Texts of titles and models are escaped by the environment of all pages (`pipeline/report/document.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from jinja2 import Environment

from manga_enrichment.browse.edit.view import Editable, Said
from manga_enrichment.browse.forms import rows_of, shown
from manga_enrichment.browse.links import Links
from manga_enrichment.browse.search import IN_WORDS, PAGE_ROWS, SORTS, Found, Wanted
from manga_enrichment.browse.shelf import State
from manga_enrichment.browse.title import Row, Title
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.report.document import page_environment

_LANGUAGES = {"ja": "Japanese", "none": "no synopsis"}
TITLE_FIELDS = (
    ("authors", "by"),
    ("publisher", "publisher"),
    ("magazines", "magazines"),
    ("demographics", "demographics"),
    ("publisher_genres", "genres of the publisher"),
    ("themes", "themes"),
    ("content_rating", "content rating"),
    ("type", "type"),
    ("status", "status"),
    ("start_year", "began"),
    ("volumes", "volumes"),
    ("chapters", "chapters"),
    ("isbn13", "ISBN"),
    ("synonyms", "also called"),
    ("source", "source"),
    ("updated_at", "changed in the source"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """A shipped query. name: as `manga-enrichment sql` knows it; parameters: what each `$name` of it stands for."""

    name: str
    title: str
    sql: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the SQL page was asked: text, parameter -> value, and what came of it: a result or a fault."""

    sql: str
    parameters: Mapping[str, str]
    result: pa.Table | None = None
    has_more: bool = False
    fault: str = ""
    query: str = ""


class Pages:
    def __init__(self, links: Links, *, is_editable: bool = False) -> None:
        self._environment = _environment(links, is_editable)

    def titles(
        self,
        state: State,
        wanted: Wanted,
        found: Found | None,
        facets: Mapping[str, Any],
        names: Sequence[str],
        fault: str,
    ) -> str:
        """found: None where the query was refused, which `fault` then says."""
        return self._page(
            "title_list.html",
            state,
            wanted=wanted,
            found=found,
            facets=facets,
            analyses=names,
            outcomes=[each.value for each in Outcome],
            sorts=list(SORTS),
            languages=_LANGUAGES,
            in_words=IN_WORDS,
            page_rows=PAGE_ROWS,
            fault=fault,
        )

    def title(self, state: State, title: Title, editable: Editable | None = None) -> str:
        told = {**title.record, "authors": [_person(each) for each in title.record["authors"] or []]}
        facts = [(name, told[field]) for field, name in TITLE_FIELDS if told[field] not in (None, [])]
        cost = sum(each["cost_micro_usd"] for answer in title.answers for each in answer.attempts)
        own = {"record": title.record, "facts": facts, "cost_micro_usd": cost, "edit": editable}
        return self._page("title.html", state, title=title, **own)

    def corrections(self, state: State, said: Said, titles: Mapping[str, str], names: Sequence[str]) -> str:
        return self._page("corrections.html", state, said=said, titles=titles, analyses=names)

    def gone(self, state: State, manga_id: str, tombstone: Row | None) -> str:
        return self._page("gone.html", state, manga_id=manga_id, tombstone=tombstone)

    def sql(self, state: State, asked: Asked, questions: Sequence[Question], tables: Sequence[str]) -> str:
        rows = [] if asked.result is None else rows_of(asked.result)
        kinds = [] if asked.result is None else asked.result.schema.types
        of_numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
        numeric = [any(is_one(kind) for is_one in of_numbers) for kind in kinds]
        return self._page(
            "sql.html", state, asked=asked, rows=rows, numeric=numeric, questions=questions, tables=tables
        )

    def waiting(self, fault: str) -> str:
        """While the tables are read for the first time."""
        return self._environment.get_template("waiting.html").render(state=None, here="", fault=fault)

    def problem(self, state: State | None, sentence: str) -> str:
        return self._page("problem.html", state, sentence=sentence)

    def _page(self, name: str, state: State | None, **values: Any) -> str:
        return self._environment.get_template(name).render(state=state, here=name.removesuffix(".html"), **values)


def _person(author: Row) -> str:
    return f"{author['name']} ({author['role']})" if author["role"] else str(author["name"])


def _environment(links: Links, is_editable: bool) -> Environment:
    environment = page_environment("manga_enrichment.browse")
    environment.filters |= {"shown": shown}
    environment.globals |= {"links": links, "is_editable": is_editable}
    return environment
