"""Rows of answers and their merge: one row a title."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.pipeline.store.rows import answer_row, answer_schema, merge_rows
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import COMBINED, SINGLES, candidates_of, entry, record, title_id

TITLES = [record(number) for number in range(1, 6)]
CANDIDATES = candidates_of(TITLES)
LEVEL = ANALYSES["reading_level"]
SCHEMA = answer_schema(LEVEL)


def level_row(number: int, run_id: str = "run-1") -> dict[str, Any]:
    title = record(number)
    shown = CANDIDATES[title.manga_id]
    return answer_row(LEVEL, entry("reading_level", title, shown, run_id=run_id))


@pytest.mark.parametrize("name", SINGLES)
def test_a_part_of_a_combined_answer_gives_the_same_columns_as_an_answer_of_its_own(name: str) -> None:
    title = TITLES[0]
    own = answer_row(ANALYSES[name], entry(name, title, CANDIDATES[title.manga_id]))
    part = answer_row(ANALYSES[name], entry(COMBINED, title, CANDIDATES[title.manga_id]))
    provenance_columns = {"via", "fingerprint", "prompt_version"}
    assert {key: value for key, value in own.items() if key not in provenance_columns} == {
        key: value for key, value in part.items() if key not in provenance_columns
    }
    assert (own["via"], part["via"]) == (name, COMBINED)
    assert pa.Table.from_pylist([own, part], schema=answer_schema(ANALYSES[name])).num_rows == 2


def test_a_failure_has_no_row() -> None:
    failed = entry("reading_level", TITLES[0], CANDIDATES[TITLES[0].manga_id], error_class=ErrorClass.REFUSAL)
    with pytest.raises(ValueError, match="has no answer"):
        answer_row(LEVEL, failed)


numbers = st.sets(st.integers(1, 5))


@given(stored=numbers, new=numbers, catalog=numbers)
def test_a_merge_has_one_row_per_title_sorted_and_new_rows_win(
    stored: set[int], new: set[int], catalog: set[int]
) -> None:
    current = pa.Table.from_pylist([level_row(number, "run-0") for number in sorted(stored)], schema=SCHEMA)
    ids = {title_id(number) for number in catalog | new}
    merged = merge_rows(current, [level_row(number) for number in sorted(new)], ids, SCHEMA)
    assert merged.column("manga_id").to_pylist() == sorted(title_id(number) for number in (stored & catalog) | new)
    runs = dict(zip(merged.column("manga_id").to_pylist(), merged.column("dagster_run_id").to_pylist(), strict=True))
    assert {manga_id for manga_id, run in runs.items() if run == "run-1"} == {title_id(number) for number in new}
    assert merged.schema.equals(SCHEMA)


def test_the_first_merge_and_the_empty_one_have_the_schema() -> None:
    assert merge_rows(None, [], set(), SCHEMA).schema.equals(SCHEMA)
    assert merge_rows(None, [level_row(1)], {title_id(1)}, SCHEMA).num_rows == 1


def test_rows_of_another_schema_are_kept_as_far_as_todays_columns_go() -> None:
    current = pa.Table.from_pylist([level_row(number, "run-0") for number in (1, 2)], schema=SCHEMA)
    kept = [field for field in SCHEMA if field.name not in ("min_age", "reading_level_basis")]
    came, retyped = pa.field("mood", pa.string()), pa.field("reading_level_basis", pa.int64())
    today = pa.schema([*kept, came, retyped])
    merged = merge_rows(current, [], {title_id(1), title_id(2)}, today)
    assert merged.schema.equals(today)
    assert merged.column("mood").to_pylist() == merged.column("reading_level_basis").to_pylist() == [None, None]
    assert merged.column("reading_level").to_pylist() == current.column("reading_level").to_pylist()


def test_a_row_that_lacks_what_may_not_be_null_gives_way() -> None:
    current = pa.Table.from_pylist([level_row(number, "run-0") for number in (1, 2)], schema=SCHEMA)
    today = pa.schema([*SCHEMA, pa.field("mood", pa.string(), nullable=False)])
    new = {**level_row(2), "mood": "calm"}
    merged = merge_rows(current, [new], {title_id(1), title_id(2)}, today)
    assert merged.column("manga_id").to_pylist() == [title_id(2)]
    assert merged.schema.equals(today)
