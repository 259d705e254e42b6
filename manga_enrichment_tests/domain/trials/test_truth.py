"""Truth comes from CSV or JSON Lines, in the words of the tables; what cannot be so is said in a sentence."""

import json
from pathlib import Path

import pytest

from manga_enrichment.domain.trials.contenders import TrialError
from manga_enrichment.domain.trials.truth import read_truth
from manga_enrichment_tests.analyses import ANALYSES

LEVEL, GENRE = ANALYSES["reading_level"].columns, ANALYSES["genre_classification"].columns
SUMMARY = ANALYSES["content_summary"].columns
SAMPLE = Path(__file__).parents[3] / "data/catalog/sample_truth.jsonl"
OTHERS = {column.name for analysis in ANALYSES.values() for column in analysis.columns}


def test_the_shipped_truth_is_read_for_each_analysis_that_it_speaks_of() -> None:
    text = SAMPLE.read_text("utf-8")
    levels = read_truth(text, SAMPLE.name, LEVEL, OTHERS)
    genres = read_truth(text, SAMPLE.name, GENRE, OTHERS)
    rows = [json.loads(line) for line in text.splitlines()]
    assert levels == {row["manga_id"]: {"reading_level": row["reading_level"]} for row in rows}
    assert genres == {row["manga_id"]: {name: row[name] for name in ("primary_genre", "genres")} for row in rows}
    assert len(levels) == 500


def test_cells_of_a_csv_become_what_their_columns_hold_and_empty_ones_say_nothing() -> None:
    text = "\ufeffmanga_id,reading_level,min_age,note\nMNG-1,teen,12,sure\nMNG-2,,,\nMNG-3,adult,,\n"
    assert read_truth(text, "truth.csv", LEVEL) == {
        "MNG-1": {"reading_level": "teen", "min_age": 12},
        "MNG-3": {"reading_level": "adult"},
    }
    text = "manga_id,genres,primary_genre\nMNG-1,drama; war,war\n"
    assert read_truth(text, "truth.csv", GENRE) == {"MNG-1": {"genres": ["drama", "war"], "primary_genre": "war"}}
    text = "manga_id,contains_spoilers\nMNG-1,yes\nMNG-2,FALSE\n"
    assert [row["contains_spoilers"] for row in read_truth(text, "t.csv", SUMMARY).values()] == [True, False]


@pytest.mark.parametrize(
    ("text", "file", "said"),
    [
        (
            "manga_id,readng_level\nMNG-1,teen\n",
            "t.csv",
            "t.csv: readng_level is no field of the answer; fields are reading",
        ),
        ("id,reading_level\nMNG-1,teen\n", "t.csv", "t.csv has no manga_id"),
        ("manga_id,note\nMNG-1,good\n", "t.csv", "says nothing about the answer"),
        (
            "manga_id,reading_level\nMNG-1,old\n",
            "t.csv",
            "MNG-1: reading_level cannot be 'old'; it is one of kids, teen",
        ),
        ("manga_id,min_age\nMNG-1,old\n", "t.csv", "MNG-1: min_age cannot be 'old'; it is of type int64"),
        ('{"manga_id": "MNG-1"', "t.jsonl", "t.jsonl, line 1 is not JSON"),
        ("[1]", "t.jsonl", "line 1 is no JSON object"),
        ("", "t.csv", "has no manga_id"),
    ],
)
def test_truth_that_cannot_be_used_says_why(text: str, file: str, said: str) -> None:
    with pytest.raises(TrialError, match=said):
        read_truth(text, file, LEVEL)
