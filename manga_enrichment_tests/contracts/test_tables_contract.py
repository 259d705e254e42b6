"""ObjectStore: an object is there whole or not at all, and nobody overwrites what he has not seen."""

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore

SCHEMA = pa.schema(
    [
        pa.field("manga_id", pa.string(), nullable=False),
        pa.field("title_ja", pa.string()),
        pa.field("genres", pa.list_(pa.struct([("genre", pa.string()), ("confidence", pa.float64())]))),
        pa.field("asked_at", pa.timestamp("us", tz="UTC")),
    ]
)


def table(*manga_ids: str) -> pa.Table:
    rows = [
        {"manga_id": each, "title_ja": "港", "genres": [{"genre": "drama", "confidence": 0.9}]} for each in manga_ids
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@pytest.fixture
def key(unique: str) -> str:
    return f"enrichment/{unique}/bucket=0001/part.parquet"


def test_what_was_written_reads_back_with_its_schema(tables: ObjectStore, key: str) -> None:
    etag = tables.write(key, table("MNG-B", "MNG-A"))
    stored = tables.read(key)
    assert stored is not None
    assert stored.etag == etag
    assert stored.table.equals(table("MNG-B", "MNG-A"))
    assert stored.table.schema.equals(SCHEMA)


def test_an_empty_table_keeps_its_schema(tables: ObjectStore, key: str) -> None:
    tables.write(key, SCHEMA.empty_table())
    stored = tables.read(key)
    assert stored is not None
    assert stored.table.num_rows == 0
    assert stored.table.schema.equals(SCHEMA)


def test_what_a_table_says_of_itself_is_kept_whatever_is_read_of_it(tables: ObjectStore, key: str) -> None:
    tables.write(key, table("MNG-A").replace_schema_metadata({b"manga.version": b"0a1b"}))
    for columns in (None, ["title_ja"], []):
        stored = tables.read(key, columns)
        assert stored is not None
        assert (stored.table.schema.metadata or {})[b"manga.version"] == b"0a1b"


def test_only_the_columns_asked_for_are_read(tables: ObjectStore, key: str) -> None:
    tables.write(key, table("MNG-A"))
    stored = tables.read(key, ["title_ja", "manga_id"])
    assert stored is not None
    assert stored.table.to_pylist() == [{"title_ja": "港", "manga_id": "MNG-A"}]


def test_columns_that_an_older_object_lacks_are_left_out(tables: ObjectStore, key: str) -> None:
    tables.write(key, table("MNG-A").select(["manga_id"]))
    stored = tables.read(key, ["title_ja", "manga_id"])
    assert stored is not None
    assert stored.table.to_pylist() == [{"manga_id": "MNG-A"}]


def test_no_columns_still_tell_how_many_rows_there_are(tables: ObjectStore, key: str) -> None:
    tables.write(key, table("MNG-A", "MNG-B"))
    stored = tables.read(key, [])
    assert stored is not None
    assert (stored.table.num_rows, stored.table.column_names) == (2, [])


def test_a_table_written_batch_by_batch_is_one_table(tables: ObjectStore, key: str) -> None:
    schema = SCHEMA.with_metadata({b"manga.version": b"0a1b"})
    batches = [batch for part in (table("MNG-A", "MNG-B"), table("MNG-C")) for batch in part.to_batches()]
    etag = tables.write(key, pa.RecordBatchReader.from_batches(schema, batches))
    stored = tables.read(key)
    assert stored is not None
    assert (stored.etag, stored.table.schema.metadata) == (etag, schema.metadata)
    assert stored.table.equals(table("MNG-A", "MNG-B", "MNG-C"))


def test_a_reader_without_batches_is_an_empty_table(tables: ObjectStore, key: str) -> None:
    tables.write(key, pa.RecordBatchReader.from_batches(SCHEMA, []))
    stored = tables.read(key)
    assert stored is not None
    assert stored.table.equals(SCHEMA.empty_table())


def test_a_reader_takes_part_in_conditions(tables: ObjectStore, key: str) -> None:
    tables.write(key, table("MNG-A"))
    with pytest.raises(WriteConflictError):
        tables.write(key, pa.RecordBatchReader.from_batches(SCHEMA, table("MNG-B").to_batches()), new=True)


def test_a_table_can_be_gone_through_batch_by_batch(tables: ObjectStore, key: str) -> None:
    whole = table(*(f"MNG-{number}" for number in range(10, 30))).replace_schema_metadata({b"manga.version": b"0a1b"})
    etag = tables.write(key, whole)
    stored = tables.open(key)
    assert stored is not None
    assert (stored.etag, stored.file.metadata.num_rows) == (etag, 20)
    assert stored.file.schema_arrow.equals(SCHEMA)
    assert stored.file.schema_arrow.metadata[b"manga.version"] == b"0a1b"
    batches = list(stored.file.iter_batches(8))
    assert [batch.num_rows for batch in batches] == [8, 8, 4]
    assert pa.Table.from_batches(batches).equals(whole)


def test_what_is_not_there_reads_as_none(tables: ObjectStore, key: str) -> None:
    assert tables.read(key) is None
    assert tables.open(key) is None
    assert tables.read_json(key) is None


def test_a_write_replaces_the_whole_object(tables: ObjectStore, key: str) -> None:
    first = tables.write(key, table("MNG-A", "MNG-B"))
    second = tables.write(key, table("MNG-C"))
    stored = tables.read(key)
    assert stored is not None
    assert stored.etag == second != first
    assert stored.table.column("manga_id").to_pylist() == ["MNG-C"]


def test_a_write_over_the_version_that_was_read_succeeds_once(tables: ObjectStore, key: str) -> None:
    seen = tables.write(key, table("MNG-A"))
    tables.write(key, table("MNG-B"), expected_etag=seen)
    with pytest.raises(WriteConflictError, match="replaced by another writer"):
        tables.write(key, table("MNG-C"), expected_etag=seen)
    stored = tables.read(key)
    assert stored is not None
    assert stored.table.column("manga_id").to_pylist() == ["MNG-B"]


def test_a_write_over_a_version_that_is_gone_is_a_conflict(tables: ObjectStore, key: str) -> None:
    seen = tables.write(key, table("MNG-A"))
    with pytest.raises(WriteConflictError):
        tables.write(f"{key}.other", table("MNG-A"), expected_etag=seen)
    assert tables.read(f"{key}.other") is None


def test_a_new_object_is_written_only_where_nothing_stands(tables: ObjectStore, key: str) -> None:
    tables.write(key, table("MNG-A"), new=True)
    with pytest.raises(WriteConflictError):
        tables.write(key, table("MNG-B"), new=True)
    stored = tables.read(key)
    assert stored is not None
    assert stored.table.column("manga_id").to_pylist() == ["MNG-A"]


def test_of_concurrent_writers_one_wins(tables: ObjectStore, key: str) -> None:
    seen = tables.write(key, table("MNG-0"))

    def overwrite(number: int) -> bool:
        try:
            tables.write(key, table(f"MNG-{number}"), expected_etag=seen)
        except WriteConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(overwrite, range(1, 9))) == 1


def test_of_concurrent_first_writers_one_wins(tables: ObjectStore, key: str) -> None:
    def create(number: int) -> bool:
        try:
            tables.write_json(key, {"writer": number}, new=True)
        except WriteConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(8))) == 1


def test_a_text_reads_back_and_replaces_the_one_before(tables: ObjectStore, key: str) -> None:
    assert tables.read_text(key) is None
    tables.write_text(key, "<p>初版</p>", content_type="text/html")
    tables.write_text(key, "<p>第二版</p>", content_type="text/html")
    assert tables.read_text(key) == "<p>第二版</p>"


def test_documents_read_back_equal(tables: ObjectStore, key: str) -> None:
    document = {"buckets": 8, "source": "目録.jsonl", "counts": {"rows": 3, "rejects": None}, "share": 0.5}
    tables.write_json(key, document)
    assert tables.read_json(key) == document
    tables.write_json(key, {"buckets": 9})
    assert tables.read_json(key) == {"buckets": 9}


def test_a_document_is_replaced_only_by_whoever_has_seen_it(tables: ObjectStore, key: str) -> None:
    assert tables.read_document(key) is None
    tables.write_json(key, {"generation": 1}, new=True)
    seen = tables.read_document(key)
    assert seen is not None
    assert seen.document == {"generation": 1}
    tables.write_json(key, {"generation": 2}, expected_etag=seen.etag)
    with pytest.raises(WriteConflictError):
        tables.write_json(key, {"generation": 3}, expected_etag=seen.etag)
    assert tables.read_json(key) == {"generation": 2}


def test_a_deleted_object_is_neither_read_nor_listed_and_may_be_written_anew(tables: ObjectStore, key: str) -> None:
    tables.write(key, table("MNG-A"))
    tables.delete(key)
    tables.delete(key)
    assert tables.read(key) is None
    assert tables.list_keys(key) == []
    tables.write(key, table("MNG-B"), new=True)
    stored = tables.read(key)
    assert stored is not None
    assert stored.table.column("manga_id").to_pylist() == ["MNG-B"]


def test_keys_are_listed_by_prefix_in_order(tables: ObjectStore, unique: str) -> None:
    written = [f"enrichment/{unique}/bucket={bucket}/part.parquet" for bucket in ("0002", "0000", "0001")]
    for each in (*written, f"enrichment/{unique}x/bucket=0000/part.parquet"):
        tables.write_json(each, {})
    assert tables.list_keys(f"enrichment/{unique}/") == sorted(written)
    assert tables.list_keys(f"enrichment/{unique}/bucket=0001") == [written[2]]
    assert tables.list_keys(f"enrichment/{unique}/nothing") == []


def test_a_uri_names_the_key(tables: ObjectStore, key: str) -> None:
    assert tables.uri(key).endswith(f"/{key}")
