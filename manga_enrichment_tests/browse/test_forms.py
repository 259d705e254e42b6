"""Rows as files and as cells: nothing is lost, and nothing is run by whoever opens it."""

import csv
import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manga_enrichment.browse.forms import FORMS, csv_bytes, json_bytes, parquet_bytes, rows_of, shown

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TABLE = pa.table(
    {
        "text": ["=1+1", 'a "b", c\nd', None],
        "number": [-1, 2, None],
        "list": [["a", "海"], [], None],
        "at": pa.array([MOMENT, None, None], pa.timestamp("us", "UTC")),
    }
)


def test_csv_is_read_back_as_it_was() -> None:
    rows = list(csv.reader(io.StringIO(csv_bytes(TABLE).decode(), newline="")))
    assert rows[0] == ["text", "number", "list", "at"]
    assert rows[1][:3] == ["=1+1", "-1", '["a", "海"]']
    assert rows[2][0] == 'a "b", c\nd'
    assert rows[3] == ["", "", "", ""]


def test_for_a_spreadsheet_texts_are_no_formulas_and_numbers_stay() -> None:
    rows = list(csv.reader(io.StringIO(FORMS["spreadsheet"][2](TABLE).decode(), newline="")))
    assert rows[1][:2] == ["'=1+1", "-1"]


def test_json_is_an_object_a_line() -> None:
    lines = [json.loads(line) for line in json_bytes(TABLE).decode().splitlines()]
    assert lines[0] == {"text": "=1+1", "number": -1, "list": ["a", "海"], "at": str(MOMENT)}
    assert lines[2] == {"text": None, "number": None, "list": None, "at": None}


def test_parquet_is_the_same_table() -> None:
    assert pq.read_table(io.BytesIO(parquet_bytes(TABLE))).equals(TABLE)


def test_a_table_without_columns_has_no_rows() -> None:
    assert rows_of(pa.table({})) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (0.9, "0.9"),
        (1 / 3, "0.3333"),
        ("<b>", "<b>"),
        ([], "none"),
        (["a", "b"], "a, b"),
        ({"genre": "horror", "confidence": 0.5, "why": None}, "horror 0.5"),
        ([{"genre": "horror", "confidence": 0.5}], "horror 0.5"),
        (MOMENT, "2026-01-02 03:04:05"),
    ],
)
def test_a_value_is_shown_in_words(value: object, text: str) -> None:
    assert shown(value) == text
