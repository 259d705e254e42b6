"""What two sets of answers are said to share is what a computation of its own finds, on truth that was made up."""

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import stats

from manga_enrichment.domain.tables.columns import Column, ListOf
from manga_enrichment.domain.trials.comparison import agreements, confusion, duel, most_different, overall
from manga_enrichment.domain.trials.fields import Likeness, alike, likeness_of
from manga_enrichment.domain.trials.pareto import Candidacy, front
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import title_id

LEVELS = ("kids", "teen", "adult", "mature")
LEVEL = Column("reading_level", "string", "", False, LEVELS)
AGE = Column("min_age", "int64", "", False)
SURE = Column("confidence", "float64", "", False)
TEXT = Column("summary_en", "string", "", False)
TAGS = Column("story_themes", ListOf("string"), "")
GENRES = next(each for each in ANALYSES["genre_classification"].columns if each.name == "genres")


def answers(count: int, right: float, seed: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """(truth, answers, how many agree): each level is the true one with probability `right`, else another."""
    rng = random.Random(seed)
    truth, given = {}, {}
    for number in range(count):
        level = rng.choice(LEVELS)
        said = level if rng.random() < right else rng.choice([each for each in LEVELS if each != level])
        truth[title_id(number)], given[title_id(number)] = {"reading_level": level}, {"reading_level": said}
    return truth, given, sum(truth[each] == given[each] for each in truth)


@pytest.mark.parametrize(
    ("column", "one", "other", "expected"),
    [
        (LEVEL, "teen", "teen", 1.0),
        (LEVEL, "teen", "kids", 0.0),
        (AGE, 12, 12, 1.0),
        (AGE, 12, 13, 0.0),
        (SURE, 0.9, 0.7, 0.8),
        (SURE, 0.0, 3.0, 0.0),
        (TAGS, ["revenge", "war"], ["war", "love"], 1 / 3),
        (TAGS, [], [], 1.0),
        (TAGS, [], ["war"], 0.0),
        (GENRES, [{"genre": "drama", "confidence": 0.9}], ["drama"], 1.0),
        (TEXT, "A Girl", "a  girl", 1.0),
        (TEXT, "inn", "ink", 0.5),
        (TEXT, "a", "b", 0.0),
        (TEXT, None, None, 1.0),
        (TEXT, None, "a girl", 0.0),
    ],
)
def test_two_values_are_as_alike_as_their_column_says(column: Column, one: Any, other: Any, expected: float) -> None:
    assert alike(column, one, other) == pytest.approx(expected)
    assert alike(column, other, one) == pytest.approx(expected)


def test_every_column_of_every_analysis_can_be_compared() -> None:
    kinds = {
        name: likeness_of(column)
        for analysis in ANALYSES.values()
        for column in analysis.columns
        for name in [column.name]
    }
    assert kinds["primary_genre"] is Likeness.EXACT
    assert kinds["similar_titles"] is Likeness.OVERLAP
    assert kinds["summary_en"] is Likeness.WORDING
    assert kinds["reading_level_confidence"] is Likeness.CLOSENESS


@pytest.mark.parametrize("seed", range(3))
def test_agreement_with_made_up_truth_is_what_numpy_and_scipy_find(seed: int) -> None:
    truth, given, agree = answers(300, 0.8, seed)
    (found,) = agreements([LEVEL, AGE], truth, given, seed=1)
    expected = stats.binomtest(agree, 300).proportion_ci(0.95, method="wilson")
    assert (found.field, found.interval.n, found.interval.mean) == ("reading_level", 300, agree / 300)
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))


def test_the_confusion_table_is_the_one_that_numpy_counts() -> None:
    truth, given, agree = answers(200, 0.7, 4)
    table = np.zeros((4, 4), int)
    for manga_id, row in truth.items():
        table[LEVELS.index(row["reading_level"]), LEVELS.index(given[manga_id]["reading_level"])] += 1
    found = confusion(LEVEL, truth, given)
    assert {pair: count for pair, count in found.items() if count} == {
        (LEVELS[row], LEVELS[column]): int(table[row, column]) for row, column in zip(*np.nonzero(table), strict=True)
    }
    assert sum(count for (one, other), count in found.items() if one == other) == agree
    assert confusion(TEXT, truth, given) == {}


def test_only_titles_that_both_answered_are_compared() -> None:
    ours = {"A": {"reading_level": "kids"}, "B": {"reading_level": "teen"}, "C": {"min_age": 3}}
    theirs = {"B": {"reading_level": "teen"}, "C": {"reading_level": "teen"}, "D": {"reading_level": "kids"}}
    (found,) = agreements([LEVEL, AGE], ours, theirs, seed=1)
    assert (found.interval.mean, found.interval.n) == (1.0, 1)
    assert agreements([LEVEL], ours, {}, seed=1) == []
    assert overall([LEVEL], ours, {}, seed=1) is None


def test_titles_furthest_apart_come_first_and_alike_ones_not_at_all() -> None:
    before = {name: {"reading_level": "kids", "min_age": 3} for name in "ABC"}
    after = {
        "A": {"reading_level": "kids", "min_age": 3},
        "B": {"reading_level": "kids", "min_age": 4},
        "C": {"reading_level": "teen", "min_age": 13},
    }
    found = most_different([LEVEL, AGE], before, after, 20)
    assert [(each.manga_id, each.apart, each.fields) for each in found] == [
        ("C", 1.0, ("reading_level", "min_age")),
        ("B", 0.5, ("min_age",)),
    ]
    assert [each.manga_id for each in most_different([LEVEL, AGE], before, after, 1)] == ["C"]
    everything = overall([LEVEL, AGE], before, after, seed=1)
    assert everything is not None
    assert everything.mean == pytest.approx(0.5)


def test_a_duel_counts_who_is_right_where() -> None:
    truth, candidate, _ = answers(150, 0.9, 1)
    today = answers(150, 0.6, 2)[1]
    right = {
        side: {each for each in truth if rows[each] == truth[each]} for side, rows in (("c", candidate), ("t", today))
    }
    found = duel(LEVEL, candidate, today, truth)
    assert (found.only_candidate, found.only_today) == (len(right["c"] - right["t"]), len(right["t"] - right["c"]))
    assert found.both + found.only_candidate + found.only_today + found.neither == 150
    assert found.p_value == pytest.approx(
        stats.binomtest(found.only_candidate, found.only_candidate + found.only_today).pvalue
    )


def test_the_front_has_whom_nobody_beats() -> None:
    candidates = [
        Candidacy("today", 100, 500, 0.90),
        Candidacy("cheap", 10, 400, 0.80),
        Candidacy("dear", 300, 900, 0.95),
        Candidacy("worse than cheap", 20, 400, 0.80),
        Candidacy("never answered", 1, 1, None),
    ]
    assert front(candidates) == ["today", "cheap", "dear"]
    assert front([Candidacy("a", 1, 1, 0.5), Candidacy("b", 1, 1, 0.5)]) == ["a", "b"]
    assert front([]) == []


def test_the_front_is_what_trying_every_pair_finds() -> None:
    rng = random.Random(11)
    candidates = [Candidacy(str(n), rng.randint(1, 5), rng.randint(1, 5), rng.randint(1, 5) / 5) for n in range(60)]
    points = {
        each.name: np.array([each.cost_micro_usd, each.latency_ms, -(each.agreement or 0)]) for each in candidates
    }
    beaten = Counter(
        one
        for one in points
        for other in points
        if (points[other] <= points[one]).all() and (points[other] < points[one]).any()
    )
    assert front(candidates) == [name for name in points if not beaten[name]]
    assert 0 < len(front(candidates)) < len(candidates)
