"""Raw rows to records or rejects."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.mapping import FIELD_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.domain.catalog.rows import RejectedRow, RejectReason, clean_row, raw_json
from manga_enrichment.domain.catalog.warnings import RowWarning

GOOD = {"manga_id": "MNG-ABCD1234", "title": "Harbor"}

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30) | st.datetimes()
)
JSON_LIKE = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
ROWS_WITH_IDENTITY = st.fixed_dictionaries(
    {"manga_id": st.just("MNG-ABCD1234"), "title": st.text(st.characters()) | JSON_LIKE},
    optional={
        name: JSON_LIKE
        | st.sampled_from(
            ["a; b", "a, b", "A／著", "['x']", "[1", '["x"]', "A (art)", "2024-01-01", "(Source: x)", "&lt;b&gt;", "12"]
        )
        for name in FIELD_NAMES[2:]
    },
)


def test_a_full_row_becomes_a_clean_record() -> None:
    raw = {
        **GOOD,
        "title": " <b>Harbor</b> &amp; Sea\u200b ",
        "title_ja": "港か\u3099く",
        "synonyms": "A|B",
        "authors": "Oda, Mio (story); Ren",
        "magazines": ["週刊少年コメット"],
        "isbn13": "978-4-08-872509-3",
        "synopsis": "A ship.<br>A storm.\n\n(Source: MU)",
        "volumes": "3",
        "start_year": 1999,
        "updated_at": "2024-05-01T19:00:00+09:00",
        "status": "",
        "shelf": "B7",
    }
    assert clean_row(raw, 7) == MangaRecord(
        manga_id="MNG-ABCD1234",
        title="Harbor & Sea",
        title_ja="港がく",
        synonyms=("A", "B"),
        authors=(Author("Oda, Mio", "story"), Author("Ren")),
        magazines=("週刊少年コメット",),
        isbn13="9784088725093",
        synopsis="A ship.\nA storm.",
        volumes=3,
        start_year=1999,
        updated_at=datetime(2024, 5, 1, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("raw", "reason", "manga_id"),
    [
        ([1, 2], RejectReason.NOT_AN_OBJECT, None),
        ("text", RejectReason.NOT_AN_OBJECT, None),
        ({"title": "x"}, RejectReason.MISSING_MANGA_ID, None),
        ({**GOOD, "manga_id": ""}, RejectReason.MISSING_MANGA_ID, None),
        ({**GOOD, "manga_id": "MNG-ABCD1234\n"}, RejectReason.INVALID_MANGA_ID, None),
        ({**GOOD, "manga_id": " MNG-ABCD1234"}, RejectReason.INVALID_MANGA_ID, None),
        ({**GOOD, "manga_id": 17}, RejectReason.INVALID_MANGA_ID, None),
        ({**GOOD, "manga_id": ["MNG-ABCD1234"]}, RejectReason.INVALID_MANGA_ID, None),
        ({"manga_id": "MNG-ABCD1234"}, RejectReason.MISSING_TITLE, "MNG-ABCD1234"),
        ({**GOOD, "title": " \u200b"}, RejectReason.MISSING_TITLE, "MNG-ABCD1234"),
        ({**GOOD, "title": ["Harbor"]}, RejectReason.INVALID_TITLE, "MNG-ABCD1234"),
        ({**GOOD, "title": 1.2345678901234568e22}, RejectReason.INVALID_TITLE, "MNG-ABCD1234"),
    ],
)
def test_a_row_without_identity_is_rejected_with_its_reason(
    raw: object, reason: RejectReason, manga_id: str | None
) -> None:
    rejected = clean_row(raw, 7)
    assert rejected == RejectedRow(7, manga_id, reason, raw_json(raw))


def test_an_unusable_optional_value_is_dropped_with_a_warning() -> None:
    warnings: list[RowWarning] = []
    raw = {**GOOD, "isbn13": "9784088725094", "volumes": "many", "updated_at": "soon", "themes": 7, "publisher": ["x"]}
    assert clean_row(raw, 1, warn=warnings.append) == MangaRecord("MNG-ABCD1234", "Harbor")
    assert [(f"{warning.reason}_{warning.field}", warning.raw) for warning in warnings] == [
        ("invalid_publisher", '["x"]'),
        ("invalid_isbn13", "9784088725094"),
        ("invalid_themes", "7"),
        ("invalid_volumes", "many"),
        ("invalid_updated_at", "soon"),
    ]
    assert {(warning.row_number, warning.manga_id) for warning in warnings} == {(1, "MNG-ABCD1234")}


def test_a_long_raw_value_is_told_in_part_and_a_rejected_row_tells_nothing() -> None:
    warnings: list[RowWarning] = []
    clean_row({**GOOD, "volumes": "x" * 5000}, 1, warn=warnings.append)
    assert [warning.raw for warning in warnings] == [f"{'x' * 500} … {'x' * 500}"]
    clean_row({"manga_id": "MNG-ABCD1234", "title": "", "volumes": "x"}, 1, warn=warnings.append)
    assert len(warnings) == 1


def test_null_words_empty_a_label_but_not_a_title() -> None:
    raw = {"manga_id": "MNG-ABCD1234", "title": "Unknown", "synonyms": ["Unknown"], "publisher": "Unknown"}
    assert clean_row(raw, 1) == MangaRecord("MNG-ABCD1234", "Unknown", synonyms=("Unknown",))


def test_a_mapping_renames_drops_and_sets_fields() -> None:
    mapping = ColumnMapping.from_json(
        {"title": "name", "start_year": "year", "type": {"const": "manga"}, "synopsis": None}
    )
    raw = {"manga_id": "MNG-ABCD1234", "name": "Harbor", "year": 1970, "type": "Serialization", "synopsis": "ignored"}
    assert clean_row(raw, 1, mapping) == MangaRecord("MNG-ABCD1234", "Harbor", type="manga", start_year=1970)


@given(JSON_LIKE)
def test_no_value_whatever_raises(raw: Any) -> None:
    rejected = clean_row(raw, 1)
    assert isinstance(rejected, RejectedRow)
    rejected.raw_json.encode()


@given(ROWS_WITH_IDENTITY)
def test_a_record_can_be_stored_and_cleaning_it_again_changes_nothing(raw: dict[str, Any]) -> None:
    record = clean_row(raw, 1)
    if isinstance(record, RejectedRow):
        assert record.reason in {RejectReason.MISSING_TITLE, RejectReason.INVALID_TITLE}
        return
    json.dumps(asdict(record), default=str, ensure_ascii=False).encode()
    assert clean_row(asdict(record), 1) == record


def test_a_row_nested_too_deeply_for_json_is_rejected_too() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert isinstance(clean_row(nested, 1), RejectedRow)
    assert clean_row({**GOOD, "themes": "[" * 100_000}, 1) == MangaRecord(
        "MNG-ABCD1234", "Harbor", themes=("[" * 100_000,)
    )
