"""Ids and buckets."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.columns import CATALOG_COLUMNS
from manga_enrichment.domain.catalog.records import MANGA_ID, MangaRecord, bucket_keys, bucket_of


def test_the_bucket_of_a_title_never_changes() -> None:
    # Stored data lives in these buckets; another hash would look for it in the wrong place.
    assert [bucket_of(f"MNG-0000000{digit}", 64) for digit in range(5)] == ["45", "29", "53", "38", "05"]


@given(st.from_regex(r"MNG-[A-Z0-9]{8}", fullmatch=True), st.integers(1, 1024))
def test_every_title_has_one_of_the_buckets(manga_id: str, bucket_count: int) -> None:
    assert bucket_of(manga_id, bucket_count) in bucket_keys(bucket_count)


def test_keys_have_the_same_width_and_sort_like_numbers() -> None:
    assert bucket_keys(1) == ["0"]
    assert bucket_keys(8) == list("01234567")
    keys = bucket_keys(1024)
    assert keys == sorted(keys)
    assert keys[-1] == "1023"


@pytest.mark.parametrize("text", ["MNG-ABCD1234\n", "mng-ABCD1234", "MNG-ABCD123", "MNG-ABCD12345", "MNG-ABCD123é", ""])
def test_what_is_no_manga_id(text: str) -> None:
    assert MANGA_ID.match(text) is None


def test_the_published_columns_are_the_fields_of_a_record_and_its_hash() -> None:
    assert [column.name for column in CATALOG_COLUMNS] == [field.name for field in fields(MangaRecord)] + [
        "content_hash"
    ]
