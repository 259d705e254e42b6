"""Two sets of answers about the same titles: agreement by field, confusion, where they differ most.

Belongs here: what is said of rows, whoever gave them: today's model, a candidate, people. Stays out: how alike two
values are (`fields.py`), how sure a share is (`intervals.py`), where rows come from (`pipeline/trials/`).

Titles that one side has no answer for are in no agreement: they are counted beside it, as refusals and failures.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.domain.trials.fields import Likeness, alike, likeness_of
from manga_enrichment.domain.trials.intervals import Interval, bootstrap, mcnemar, wilson

Rows = Mapping[str, Mapping[str, Any]]
"""By manga_id: values by column. A column that a row does not have was not judged."""
_HALF_A_MICRO = 5e-7


@dataclass(frozen=True, slots=True)
class FieldAgreement:
    field: str
    likeness: Likeness
    interval: Interval


@dataclass(frozen=True, slots=True)
class Difference:
    """One title that two sides answered differently. apart: 0 (alike) to 1, the mean over its fields."""

    manga_id: str
    apart: float
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duel:
    """Two candidates against the truth of one field, by titles. p_value: by McNemar's exact test."""

    field: str
    both: int
    only_candidate: int
    only_today: int
    neither: int

    @property
    def titles(self) -> int:
        return self.both + self.only_candidate + self.only_today + self.neither

    @property
    def p_value(self) -> float:
        return mcnemar(self.only_candidate, self.only_today)


def agreements(columns: Sequence[Column], ours: Rows, theirs: Rows, seed: int) -> list[FieldAgreement]:
    """Of each column that both sides have for some title, in the order of columns."""
    found = []
    for column in columns:
        likenesses = [value for _, value in _likenesses(column, ours, theirs)]
        if likenesses:
            found.append(FieldAgreement(column.name, likeness_of(column), _interval(column, likenesses, seed)))
    return found


def overall(columns: Sequence[Column], ours: Rows, theirs: Rows, seed: int) -> Interval | None:
    """The mean of each title's mean over its fields; None where no title has any."""
    means = [1 - each.apart for each in _differences(columns, ours, theirs)]
    return bootstrap(means, seed) if means else None


def confusion(column: Column, before: Rows, after: Rows) -> dict[tuple[str, str], int]:
    """(value before, value after) -> titles, of a column that has few values; {} for others."""
    if likeness_of(column) is not Likeness.EXACT:
        return {}
    both = _both(column, before, after)
    counts = Counter((str(before[each][column.name]), str(after[each][column.name])) for each in both)
    return dict(sorted(counts.items()))


def most_different(columns: Sequence[Column], before: Rows, after: Rows, count: int) -> list[Difference]:
    """The titles whose answers are furthest apart, and in which fields; none that are alike in all."""
    apart = [each for each in _differences(columns, before, after) if each.apart > _HALF_A_MICRO]
    return sorted(apart, key=lambda each: (-each.apart, each.manga_id))[:count]


def duel(column: Column, candidate: Rows, today: Rows, truth: Rows) -> Duel:
    """Who of two is right where; only titles that both answered and truth is known of."""
    right = dict(_likenesses(column, candidate, truth))
    today_right = dict(_likenesses(column, today, truth))
    counts = Counter((right[each] == 1.0, today_right[each] == 1.0) for each in right if each in today_right)
    return Duel(column.name, counts[True, True], counts[True, False], counts[False, True], counts[False, False])


def _differences(columns: Sequence[Column], before: Rows, after: Rows) -> Iterator[Difference]:
    by_title: dict[str, dict[str, float]] = {}
    for column in columns:
        for manga_id, value in _likenesses(column, before, after):
            by_title.setdefault(manga_id, {})[column.name] = value
    for manga_id, values in by_title.items():
        fields = tuple(name for name, value in values.items() if value < 1)
        yield Difference(manga_id, 1 - sum(values.values()) / len(values), fields)


def _likenesses(column: Column, ours: Rows, theirs: Rows) -> Iterator[tuple[str, float]]:
    for manga_id in _both(column, ours, theirs):
        yield manga_id, alike(column, ours[manga_id][column.name], theirs[manga_id][column.name])


def _both(column: Column, ours: Rows, theirs: Rows) -> list[str]:
    return sorted(
        manga_id
        for manga_id in ours.keys() & theirs.keys()
        if column.name in ours[manga_id] and column.name in theirs[manga_id]
    )


def _interval(column: Column, likenesses: Sequence[float], seed: int) -> Interval:
    if likeness_of(column) is Likeness.EXACT:
        return wilson(round(sum(likenesses)), len(likenesses))
    return bootstrap(likenesses, seed)
