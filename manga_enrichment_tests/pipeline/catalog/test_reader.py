"""The catalog as stored, and the bucket count that is frozen with it."""

from collections.abc import Callable

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.reader import (
    check_bucket_count,
    open_catalog,
    read_catalog,
    read_records,
)
from manga_enrichment.pipeline.store.object_keys import catalog_state_key
from manga_enrichment_tests.builders import BUCKET, bare_record, ids_of_bucket, put_catalog, record
from manga_enrichment_tests.fakes import MemoryTables

TITLES = [record(1), bare_record(2)]


def test_records_come_back_as_they_were_stored() -> None:
    tables = MemoryTables()
    put_catalog(tables, TITLES)
    assert list(read_records(tables, BUCKET)) == TITLES
    assert ids_of_bucket(tables) == {title.manga_id for title in TITLES}
    assert read_catalog(tables, BUCKET, ["title"]).column_names == ["title"]


@pytest.mark.parametrize(
    "read", [open_catalog, read_catalog, lambda tables, bucket: list(read_records(tables, bucket))]
)
def test_a_bucket_that_was_never_imported_is_refused_with_what_to_do(
    read: Callable[[MemoryTables, str], object],
) -> None:
    with pytest.raises(ConfigurationError, match=r"no bucket 7 yet: materialize manga_catalog first .*CATALOG_URI"):
        read(MemoryTables(), "7")


def test_before_the_first_import_any_bucket_count_will_do_and_none_is_frozen_by_asking() -> None:
    tables = MemoryTables()
    assert [check_bucket_count(tables, count) for count in (1, 8, 64)] == [None, None, None]
    assert tables.objects == {}


def test_another_bucket_count_is_refused_with_the_right_one() -> None:
    tables = MemoryTables()
    tables.write_json(catalog_state_key(), {"bucket_count": 8})
    assert check_bucket_count(tables, 8) == {"bucket_count": 8}
    with pytest.raises(ConfigurationError) as refused:
        check_bucket_count(tables, 64)
    assert str(refused.value) == (
        "MANGA_CATALOG_BUCKETS=64, but the data at memory://tables/enrichment/ was written with 8 buckets: "
        "set MANGA_CATALOG_BUCKETS=8, or use an empty MANGA_BUCKET for another count"
    )
