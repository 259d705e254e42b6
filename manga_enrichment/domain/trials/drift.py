"""Have answers drifted? Two samples of rows beside each other, column by column, by tests that are stated.

Belongs here: the tests, and the rule of when a difference counts. Stays out: whose rows they are
(`pipeline/enrichment/canaries.py`).

    values, yes or no, years      Pearson's chi-square test of homogeneity; values that are expected less than five
                                  times are pooled
    lengths, numbers, list sizes  the two-sample Kolmogorov-Smirnov test, with Stephens' correction
    titles without an answer      Fisher's exact test, two-sided; only more of them are drift

A column has drifted when its p-value is below ALPHA after Holm's correction for the number of tests, and the effect is
larger than is allowed: the total variation distance of values, the largest distance of the distribution functions, the
difference of shares (of which a fifth is allowed). The second condition keeps a large catalog from failing for what
nobody would notice.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.domain.trials.fields import Likeness, likeness_of

ALPHA = 0.01
_LEAST_EXPECTED = 5.0
_OF_MISSING = 0.2
WITHOUT_ANSWER = "titles without an answer"


@dataclass(frozen=True, slots=True)
class Finding:
    """One test. effect: 0 to 1. p_value: after Holm's correction. said: the difference in words."""

    what: str
    test: str
    effect: float
    p_value: float
    said: str
    has_drifted: bool = False


def find_drift(
    columns: Sequence[Column],
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    missing: tuple[int, int],
    most: float,
) -> list[Finding]:
    """before, after: rows. missing: titles without one, beside each. most: the largest effect that is none."""
    found = [_fisher_finding((missing[0], len(before)), (missing[1], len(after)))]
    for column in columns:
        values = [[row[column.name] for row in rows] for rows in (before, after)]
        if all(values):
            found += _findings(column, *values)
    adjusted = holm([each.p_value for each in found])
    return [
        replace(each, p_value=p_value, has_drifted=p_value < ALPHA and each.effect > _allowed(each, most))
        for each, p_value in zip(found, adjusted, strict=True)
    ]


def _allowed(finding: Finding, most: float) -> float:
    return most * _OF_MISSING if finding.what == WITHOUT_ANSWER else most


def chi_square(before: Counter[str], after: Counter[str]) -> float:
    """The p-value that two samples are of the same distribution. Rare values are one."""
    total, own = before.total() + after.total(), after.total()
    pooled: dict[str, list[int]] = {}
    for value in before | after:
        counts = [before[value], after[value]]
        is_rare = min(sum(counts) * side / total for side in (own, total - own)) < _LEAST_EXPECTED
        line = pooled.setdefault("" if is_rare else f"={value}", [0, 0])
        line[0], line[1] = line[0] + counts[0], line[1] + counts[1]
    statistic = 0.0
    for counts in pooled.values():
        for count, side in zip(counts, (total - own, own), strict=True):
            expected = sum(counts) * side / total
            statistic += (count - expected) ** 2 / expected
    return chi_square_tail(statistic, len(pooled) - 1)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """How often chi-square is larger by chance. freedom: degrees of it; 0: always."""
    if freedom <= 0:
        return 1.0
    half, start = statistic / 2, 0.5 if freedom % 2 else 0.0
    tail = math.erfc(math.sqrt(half)) if freedom % 2 else 0.0
    terms = (math.exp((start + n) * math.log(half) - half - math.lgamma(start + n + 1)) for n in range(freedom // 2))
    return min(1.0, tail + sum(terms)) if half > 0 else 1.0


def kolmogorov_smirnov(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """(largest distance of the distribution functions, p-value)"""
    one, other = sorted(before), sorted(after)
    distance = max(
        abs(bisect_right(one, value) / len(one) - bisect_right(other, value) / len(other)) for value in {*one, *other}
    )
    size = math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    scaled = (size + 0.12 + 0.11 / size) * distance
    if scaled < 0.2:  # the series does not converge there, and the value is 1
        return distance, 1.0
    tail = 2 * sum((-1) ** (n - 1) * math.exp(-2 * (n * scaled) ** 2) for n in range(1, 101))
    return distance, min(1.0, max(0.0, tail))


def fisher(hits: int, size: int, other_hits: int, other_size: int) -> float:
    """The exact two-sided p-value that two shares are the same."""
    together, all_hits = size + other_size, hits + other_hits

    def log_chance(count: int) -> float:
        rest = all_hits - count
        return _log_choose(size, count) + _log_choose(other_size, rest) - _log_choose(together, all_hits)

    least, most = max(0, all_hits - other_size), min(size, all_hits)
    seen = log_chance(hits) + 1e-7
    return min(1.0, math.fsum(math.exp(chance) for chance in map(log_chance, range(least, most + 1)) if chance <= seen))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted, in their order: the chance that any of those at most as large is by chance."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda each: p_values[each])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _findings(column: Column, before: Sequence[Any], after: Sequence[Any]) -> list[Finding]:
    likeness = likeness_of(column)
    if likeness is Likeness.EXACT:
        return [_values_finding(column.name, *(map(str, side) for side in (before, after)))]
    if likeness is Likeness.CLOSENESS:
        return [_numbers_finding(column.name, before, after, float)]
    return [_numbers_finding(f"length of {column.name}", before, after, lambda value: float(len(value or "")))]


def _values_finding(what: str, before: Iterable[str], after: Iterable[str]) -> Finding:
    one, other = Counter(before), Counter(after)
    moved = {value: other[value] / other.total() - one[value] / one.total() for value in sorted(one | other)}
    value = max(moved, key=lambda each: abs(moved[each]))
    said = f"{value} {one[value] / one.total():.0%} before, {other[value] / other.total():.0%} now"
    effect = sum(map(abs, moved.values())) / 2
    return Finding(what, "chi-square", effect, chi_square(one, other), said)


def _numbers_finding(what: str, before: Sequence[Any], after: Sequence[Any], size: Callable[[Any], float]) -> Finding:
    one, other = ([size(value) for value in side if value is not None] or [0.0] for side in (before, after))
    distance, p_value = kolmogorov_smirnov(one, other)
    said = f"median {_median(one):g} before, {_median(other):g} now"
    return Finding(what, "Kolmogorov-Smirnov", distance, p_value, said)


def _fisher_finding(before: tuple[int, int], after: tuple[int, int]) -> Finding:
    """(titles without an answer, titles with one) of each side."""
    sizes = [max(1, sum(side)) for side in (before, after)]
    shares = [side[0] / size for side, size in zip((before, after), sizes, strict=True)]
    p_value = fisher(after[0], sum(after), before[0], sum(before))
    said = f"{shares[0]:.1%} before, {shares[1]:.1%} now"
    return Finding(WITHOUT_ANSWER, "Fisher", max(0.0, shares[1] - shares[0]), p_value, said)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _log_choose(size: int, count: int) -> float:
    return math.lgamma(size + 1) - math.lgamma(count + 1) - math.lgamma(size - count + 1)
