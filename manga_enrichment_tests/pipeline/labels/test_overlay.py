"""Values laid over rows: those that are named change, whatever their type, and nothing else does."""

from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.labels.labels import Label, LabelKind
from manga_enrichment.pipeline.labels.corrections import Corrections
from manga_enrichment.pipeline.labels.overlay import corrected_among, flags, overlaid
from manga_enrichment_tests.analyses import ANALYSES

SCHEMA = pa.schema(
    [
        ("manga_id", pa.string()),
        ("level", pa.string()),
        ("age", pa.int64()),
        ("sure", pa.float64()),
        ("spoils", pa.bool_()),
        ("themes", pa.list_(pa.field("element", pa.string()))),
        ("others", pa.list_(pa.field("element", pa.struct([("manga_id", pa.string()), ("score", pa.float64())])))),
    ]
)
VALUES = {
    "level": st.none() | st.text("ab", max_size=2),
    "age": st.none() | st.integers(0, 20),
    "sure": st.none() | st.sampled_from([0.0, 0.5]),
    "spoils": st.none() | st.booleans(),
    "themes": st.none() | st.lists(st.text("ab", max_size=2), max_size=2),
    "others": st.none()
    | st.lists(st.fixed_dictionaries({"manga_id": st.text("ab"), "score": st.just(0.5)}), max_size=2),
}
ROWS = st.lists(
    st.fixed_dictionaries({"manga_id": st.sampled_from("abcdefgh"), **VALUES}), unique_by=lambda r: r["manga_id"]
)
SAID = st.dictionaries(
    st.sampled_from("abcdefghi"), st.fixed_dictionaries({}, optional={**VALUES, "nowhere": st.just(1)})
)


@given(rows=ROWS, said=SAID, cut=st.integers(0, 8))
def test_what_is_said_is_there_and_all_else_as_it_was(
    rows: list[dict[str, object]], said: dict[str, dict[str, object]], cut: int
) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    parts = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    found = overlaid(parts, said)
    assert found.schema.equals(SCHEMA)
    kept = ({name: each for name, each in said.get(str(row["manga_id"]), {}).items() if name in row} for row in rows)
    assert found.to_pylist() == [row | values for row, values in zip(rows, kept, strict=True)]


@given(rows=ROWS, corrected=st.dictionaries(st.sampled_from("abcdefghi"), st.lists(st.text("ab"), min_size=1)))
def test_each_title_is_flagged_with_its_columns_in_order(
    rows: list[dict[str, object]], corrected: dict[str, list[str]]
) -> None:
    found = flags(pa.Table.from_pylist(rows, schema=SCHEMA), corrected).to_pylist()
    assert found == [sorted(corrected[str(row["manga_id"])]) if row["manga_id"] in corrected else None for row in rows]


def test_of_all_corrections_those_of_the_rows_at_hand_are_looked_at() -> None:
    level = ANALYSES["reading_level"]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    by_title = {
        each: [Label(each, level.name, "min_age", age, "ab", moment, "", LabelKind.CORRECTION)]
        for each, age in (("a", 3), ("b", 99), ("z", 5))
    }
    rows = pa.table({"manga_id": ["a", "b", "c"]})
    assert corrected_among(rows, Corrections(level, by_title)) == {"a": {"min_age": 3}}
    assert corrected_among(rows, Corrections(level, {})) == {}
