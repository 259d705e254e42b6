"""What the catalog says, in numbers: how often each value stands in it, how full each field is, what changed last.

Belongs here: reading `enriched_catalog` bucket by bucket, and its changes. Stays out: money and failures
(`facts.py`), the page (`catalog_page.py`).

Memory holds counts and ten titles, not the catalog.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.tables.changes import ENRICHED_CHANGES, ChangeKind
from manga_enrichment.domain.tables.columns import Column, ListOf
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.words import SAME_LABELS
from manga_enrichment.pipeline.enrichment.previews import with_names
from manga_enrichment.pipeline.enrichment.wide_table import TABLE, enriched_columns
from manga_enrichment.pipeline.health.daily_costs import days_until
from manga_enrichment.pipeline.store.object_keys import changes_prefix, table_key

SAMPLES = 10
DRIFT_DAYS = 14
"""How far back the last day with changes is looked for."""
_COUNTED = ("demographics", "type", "status")
_LANGUAGES = {
    "title_ja": "title in Japanese",
    "title_kana": "title in kana",
    "title_en": "title in English",
    "summary_ja": "summary in Japanese",
    "summary_en": "summary in English",
}
_TEXTS = ListOf("string")
_ONE_NAME = {name.casefold(): names[0] for names in SAME_LABELS for name in names}
"""Of readers, whom sources name in two languages and many spellings."""


@dataclass(frozen=True, slots=True)
class Values:
    """How many titles have each value of a column; of a list each of its values. with_any: titles that have one."""

    column: str
    counts: Counter[str]
    with_any: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A title with its answers by column. All texts are others': escape them."""

    manga_id: str
    title: str
    title_ja: str
    answers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Drift:
    """What the last UTC day with changes changed: titles that came and left, values by column."""

    day: str
    titles: Counter[str]
    fields: Counter[str]


@dataclass(frozen=True, slots=True)
class CatalogFacts:
    """filled: by column, titles that have a value there. drift: None where nothing changed in DRIFT_DAYS."""

    titles: int = 0
    values: Sequence[Values] = ()
    filled: Mapping[str, int] = field(default_factory=dict)
    samples: Sequence[Sample] = ()
    drift: Drift | None = None


def look_at_catalog(
    tables: ObjectStore, analyses: Iterable[AnalysisType], buckets: Sequence[str], today: date
) -> CatalogFacts:
    """The same titles are drawn all day."""
    singles = [analysis for analysis in analyses if not analysis.parts]
    columns = [each for each in enriched_columns(singles) if each.type != "timestamp"]
    counted = {*_COUNTED, *(each.name for analysis in singles for each in analysis.columns if _has_few_values(each))}
    counting = _Counting(columns, counted, random.Random(today.isoformat()))  # noqa: S311 (a sample, no secret)
    for bucket in buckets:
        stored = tables.read(table_key(TABLE, bucket), [column.name for column in columns])
        if stored is not None:
            counting.add(tables, bucket, stored.table)
    answered = [column.name for analysis in singles for column in analysis.columns]
    return counting.facts(answered, _drift(tables, days_until(today, DRIFT_DAYS)))


class _Counting:
    """Sums over the buckets that were added."""

    def __init__(self, columns: Sequence[Column], counted: Collection[str], rng: random.Random) -> None:
        self._columns = columns
        self._rng = rng
        self._titles = 0
        self._filled: Counter[str] = Counter()
        self._counts: dict[str, Counter[str]] = {each.name: Counter() for each in columns if each.name in counted}
        self._drawn: list[tuple[float, dict[str, Any]]] = []

    def add(self, tables: ObjectStore, bucket: str, table: pa.Table) -> None:
        self._titles += table.num_rows
        for name in table.column_names:
            values = table.column(name)
            self._filled[name] += _filled(values)
            if name in self._counts:
                flat = pc.list_flatten(values) if pa.types.is_list(values.type) else values
                for each in pc.value_counts(flat.drop_null()).to_pylist():
                    value = each["values"]
                    shown = _ONE_NAME.get(value.casefold(), value) if name == "demographics" else value
                    self._counts[name][shown] += each["counts"]
        self._draw(tables, bucket, table)

    def _draw(self, tables: ObjectStore, bucket: str, table: pa.Table) -> None:
        positions = self._rng.sample(range(table.num_rows), min(SAMPLES, table.num_rows))
        rows = table.take(pa.array(positions, pa.int64())).to_pylist()
        named = with_names(tables, bucket, [row["manga_id"] for row in rows], rows)
        self._drawn += [(self._rng.random(), row) for row in named]
        self._drawn = sorted(self._drawn, key=lambda each: each[0])[:SAMPLES]

    def facts(self, answered: Sequence[str], drift: Drift | None) -> CatalogFacts:
        values = [Values(name, counts, self._filled[name]) for name, counts in self._counts.items() if counts]
        languages = Counter({word: self._filled[name] for name, word in _LANGUAGES.items() if self._filled[name]})
        if languages:
            values.append(Values("languages", languages, self._titles))
        return CatalogFacts(
            titles=self._titles,
            values=values,
            filled={each.name: self._filled[each.name] for each in self._columns},
            samples=[_sample(row, answered) for _key, row in self._drawn],
            drift=drift,
        )


def _has_few_values(column: Column) -> bool:
    """By its schema, or as a list of words."""
    return bool(column.values) or column.type == _TEXTS


def _filled(values: pa.ChunkedArray) -> int:
    """Titles with something in the column: no null, no empty list, no empty text."""
    filled = pc.is_valid(values)
    if pa.types.is_list(values.type):
        filled = pc.greater(pc.list_value_length(values), 0)
    elif pa.types.is_string(values.type):
        filled = pc.greater(pc.utf8_length(values), 0)
    return int(pc.sum(filled).as_py() or 0)


def _sample(row: Mapping[str, Any], answered: Sequence[str]) -> Sample:
    answers = {name: row[name] for name in answered if row.get(name) not in (None, [], "")}
    return Sample(row["manga_id"], row["title"], row.get("title_ja") or "", answers)


def _drift(tables: ObjectStore, days: Sequence[str]) -> Drift | None:
    for day in reversed(days):
        titles: Counter[str] = Counter()
        fields: Counter[str] = Counter()
        for key in tables.list_keys(changes_prefix(ENRICHED_CHANGES, day)):
            stored = tables.read(key, ["kind", "field"])
            found = stored.table if stored else pa.table({"kind": [], "field": []})
            counted = found.group_by(["kind", "field"]).aggregate([([], "count_all")])
            for row in counted.to_pylist():
                if row["kind"] == ChangeKind.CHANGED:
                    fields[row["field"]] += row["count_all"]
                else:
                    titles[row["kind"]] += row["count_all"]
        if titles or fields:
            return Drift(day, titles, fields)
    return None
