"""What the catalog says, as bars, tables and ten titles for the page.

Belongs here: which values are shown, in words. Stays out: counting (`catalog_facts.py`), the markup
(`templates/catalog.html`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.tables.shared_columns import CORRECTED_COLUMN
from manga_enrichment.pipeline.report.catalog_facts import CatalogFacts, Sample, Values
from manga_enrichment.pipeline.report.document import Cell, Table, table, thousands, words
from manga_enrichment.pipeline.report.facts import short
from manga_enrichment.pipeline.report.links import Links

MOST_VALUES = 12
_MOST_FIELDS = 12
_NO_FIELD = frozenset({"manga_id", "content_hash", "source", "source_id", CORRECTED_COLUMN.name})


@dataclass(frozen=True, slots=True)
class Bar:
    """part: of all titles, 0 to 1; that is how long it is."""

    name: str
    count: str
    part: float


@dataclass(frozen=True, slots=True)
class Bars:
    """One column: the most frequent values first. says: of how many titles, and what is not shown."""

    title: str
    says: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Title:
    """A title as people read it; answers: (what, text)."""

    name: Cell
    other_name: str
    answers: tuple[tuple[str, str], ...]


def bars_of(facts: CatalogFacts) -> list[Bars]:
    return [_bars(each, facts.titles) for each in facts.values]


def _bars(values: Values, titles: int) -> Bars:
    known = values.counts.most_common()
    shown = tuple(Bar(words(name), thousands(count), count / titles) for name, count in known[:MOST_VALUES])
    says = f"{thousands(values.with_any)} of {thousands(titles)} titles have one"
    if values.column == "languages":
        says = f"of {thousands(titles)} titles"
    rest = len(known) - len(shown)
    return Bars(words(values.column), f"{says}; {thousands(rest)} rarer ones are not shown" if rest else says, shown)


def full_fields(facts: CatalogFacts) -> Bars:
    """How full each field is, the emptiest first."""
    ordered = sorted(facts.filled.items(), key=lambda item: (item[1], item[0]))
    shown = tuple(
        Bar(words(name), f"{100 * count / facts.titles:.1f} %", count / facts.titles)
        for name, count in ordered
        if name not in _NO_FIELD
    )
    corrected = facts.filled.get(CORRECTED_COLUMN.name, 0)
    says = f"of {thousands(facts.titles)} titles, the emptiest first"
    if corrected:
        says += f"; editors corrected answers of {thousands(corrected)}"
    return Bars("how full each field is", says, shown)


def drift_table(facts: CatalogFacts) -> Table | None:
    """What the last day with changes changed."""
    if facts.drift is None:
        return None
    came_and_left = [(f"titles {kind}", thousands(count)) for kind, count in sorted(facts.drift.titles.items())]
    changed = [(words(name), thousands(count)) for name, count in facts.drift.fields.most_common(_MOST_FIELDS)]
    caption = f"Drift: what changed on {facts.drift.day}, the last UTC day with changes"
    return table(caption, ["what", "values"], [*came_and_left, *changed])


def titles_of(facts: CatalogFacts, links: Links) -> list[Title]:
    return [_title(sample, links) for sample in facts.samples]


def _title(sample: Sample, links: Links) -> Title:
    name = Cell(short(sample.title), links.title(sample.manga_id))
    return Title(
        name, short(sample.title_ja), tuple((words(what), text_of(value)) for what, value in sample.answers.items())
    )


def text_of(value: Any) -> str:
    """A value of an answer in words: lists by commas, shares as such."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, Mapping):
        return " ".join(text_of(each) for each in value.values() if each is not None)
    if isinstance(value, list):
        return ", ".join(map(text_of, value))
    return " ".join("".join(char if char.isprintable() else " " for char in str(value)).split())
