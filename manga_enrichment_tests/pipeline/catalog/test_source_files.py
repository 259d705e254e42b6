"""Rows of catalog files, and files that are no catalogs."""

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import RejectedRow, RejectReason, clean_row
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files import rows as catalog_files
from manga_enrichment.pipeline.catalog.files.rows import Reading, SourceRow
from manga_enrichment.pipeline.catalog.source_files import load_mapping, read_files, read_rows

GOOD = {"manga_id": "MNG-ABCD1234", "title": "Harbor"}


def rows_of(path: Path, content: str | bytes) -> list[SourceRow | RejectedRow]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows(path))


def values_of(rows: list[SourceRow | RejectedRow]) -> list[tuple[int, Any]]:
    return [(row.number, row.values) for row in rows if isinstance(row, SourceRow)]


def rejects_of(rows: list[SourceRow | RejectedRow]) -> list[tuple[int, RejectReason, str]]:
    return [(row.row_number, row.reason, row.raw_json) for row in rows if isinstance(row, RejectedRow)]


def test_jsonl_rows_have_their_line_as_number_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "c.jsonl", "\ufeff" + '{"a": 1}\n\n  \r\n{"a": 2}\r\n{"a": 3}')
    assert values_of(rows) == [(1, {"a": 1}), (4, {"a": 2}), (5, {"a": 3})]
    assert [row.raw for row in rows if isinstance(row, SourceRow)][1] == b'{"a": 2}'


def test_a_bad_json_line_is_rejected_with_its_text_and_the_next_one_read(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "c.jsonl", b'{"a": 1\n{"a": "\xff"}\n' + b"[" * 100_000 + b'\n{"a": 4}\n')
    assert [(number, reason) for number, reason, _ in rejects_of(rows)] == [
        (1, RejectReason.INVALID_JSON),
        (2, RejectReason.NOT_UTF8),
        (3, RejectReason.INVALID_JSON),
    ]
    assert [raw for _, _, raw in rejects_of(rows)][:2] == ['{"a": 1', '{"a": "\\xff"}']
    assert values_of(rows) == [(4, {"a": 4})]


def test_json_with_lone_surrogates_or_nan_is_a_row_for_cleaning(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "c.jsonl", json.dumps({**GOOD, "title": "Har\ud83dbor", "volumes": float("nan")}))
    (row,) = rows
    assert isinstance(row, SourceRow)
    assert clean_row(row.values, 1) == MangaRecord("MNG-ABCD1234", "Harbor")


def test_a_line_without_end_is_rejected_and_not_held_in_memory(tmp_path: Path) -> None:
    long = b'{"a": "' + b"x" * (2 * catalog_files.MAX_ROW_BYTES) + b'"}\n'
    rows = rows_of(tmp_path / "c.jsonl", long + b'{"a": 2}\n')
    ((number, reason, raw),) = rejects_of(rows)
    assert (number, reason, len(raw)) == (1, RejectReason.ROW_TOO_LONG, catalog_files.KEPT_OF_LONG_ROW_BYTES)
    assert values_of(rows) == [(2, {"a": 2})]


def test_gzip_is_read_by_its_second_extension(tmp_path: Path) -> None:
    assert values_of(rows_of(tmp_path / "c.jsonl.gz", gzip.compress(b'{"a": 1}\n'))) == [(1, {"a": 1})]
    assert values_of(rows_of(tmp_path / "c.v2.csv.gz", gzip.compress(b"manga_id,title\nx,y\n"))) == [
        (1, {"manga_id": "x", "title": "y"})
    ]


def test_csv_rows_are_objects_by_header(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "c.csv", '\ufeffmanga_id, title ,synopsis\r\nA,"x, y","one\ntwo"\r\n\r\nB,z,\r\n')
    assert values_of(rows) == [
        (1, {"manga_id": "A", "title": "x, y", "synopsis": "one\ntwo"}),
        (3, {"manga_id": "B", "title": "z", "synopsis": ""}),
    ]


def test_bad_csv_rows_are_rejected_with_their_text_and_the_next_one_read(tmp_path: Path) -> None:
    content = b'manga_id,title\nA\nB,x,y\nC,"x"y\nD,\xff\nE,fine\nF,"never closed\nG,x\n'
    rows = rows_of(tmp_path / "c.csv", content)
    assert rejects_of(rows) == [
        (2, RejectReason.WRONG_COLUMN_COUNT, "B,x,y"),
        (3, RejectReason.INVALID_CSV, 'C,"x"y'),
        (4, RejectReason.NOT_UTF8, "D,\\xff"),
        (6, RejectReason.INVALID_CSV, 'F,"never closed\nG,x'),
    ]
    assert values_of(rows) == [(1, {"manga_id": "A", "title": ""}), (5, {"manga_id": "E", "title": "fine"})]


def test_cells_left_out_at_the_end_of_a_row_are_empty_unless_the_file_ends_there(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "c.csv", "manga_id,title,volumes\nA,x\nB,y,,,\nC,z,3\nD,w")
    assert values_of(rows) == [
        (1, {"manga_id": "A", "title": "x", "volumes": ""}),
        (2, {"manga_id": "B", "title": "y", "volumes": ""}),
        (3, {"manga_id": "C", "title": "z", "volumes": "3"}),
    ]
    assert [row.short for row in rows if isinstance(row, SourceRow)] == [True, False, False]
    assert rejects_of(rows) == [(4, RejectReason.WRONG_COLUMN_COUNT, "D,w")]


def test_parquet_rows_keep_python_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "manga_id": pa.array(["MNG-ABCD1234"], pa.large_string()),
            "title": ["Harbor"],
            "authors": [[{"name": "Ren", "role": None}]],
            "volumes": pa.array([3], pa.int32()),
            "price": [Decimal("4.50")],
            "updated_at": pa.array([1714557600000000001], pa.timestamp("ns", tz="UTC")),
        }
    )
    pq.write_table(table, tmp_path / "c.parquet")
    (row,) = read_rows(tmp_path / "c.parquet")
    assert isinstance(row, SourceRow)
    record = clean_row(row.values, row.number)
    assert isinstance(record, MangaRecord)
    assert (record.volumes, record.updated_at) == (3, datetime(2024, 5, 1, 10, tzinfo=UTC))
    assert json.loads(row.raw)["price"] == "4.50"


def test_a_parquet_value_beyond_python_rejects_only_its_row(tmp_path: Path) -> None:
    table = pa.table(
        {"manga_id": ["A", "B"], "title": ["x", "y"], "updated_at": pa.array([2**62, 0], pa.timestamp("us"))}
    )
    pq.write_table(table, tmp_path / "c.parquet")
    bad, good = read_rows(tmp_path / "c.parquet")
    assert isinstance(bad, RejectedRow)
    assert (bad.row_number, bad.reason) == (1, RejectReason.UNREADABLE_VALUE)
    assert '"A"' in bad.raw_json
    assert isinstance(good, SourceRow)
    assert good.number == 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("c.xls", b"x", "unknown extension"),
        ("c", b"x", "unknown extension"),
        ("c.gz", b"x", "unknown extension"),
        ("missing.csv", None, "does not exist"),
        ("c.parquet", b"no parquet", "cannot be read"),
        ("c.jsonl.gz", b"no gzip", "cannot be read"),
        # mtime: the bytes are part of the test's name, which must not differ from run to run.
        ("c.csv.gz", gzip.compress(b"manga_id,title\n" * 1000, mtime=0)[:-20], "cannot be read"),
        ("c.csv", b"", "'manga_id'"),
        ("c.csv", b"id,title\n", "'manga_id'"),
        ("c.csv", b"manga_id,title,title\n", "'title' twice"),
        ("c.csv", b"\xff,title\n", "UTF-8"),
        ("c.xlsx", b"x", "spreadsheet that cannot be read"),
        ("c.jsonl.zst", b"no zstd", "cannot be read"),
        ("c.jsonl.zst", pa.Codec("zstd").compress(b'{"a": 1}\n' * 1000, asbytes=True)[:-3], "cannot be read"),
        ("c.json", b'[{"a": 1}, {"a"', "no whole JSON"),
        ("c.json", b'{"data": {"items": []}, "tags": []}', "lists are at 'data.items', 'tags'"),
        ("c.json", b'{"a": 1}', "it has no list"),
        ("c.xml", b"<ONIXMessage><Product></ONIXMessage>", "no whole XML"),
        ("c.xml", b"<ONIXMessage><Product>" + b"<a>" * 50, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_catalog_is_one_error_naming_path_and_setting(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="MANGA_CATALOG_URI") as caught:
        list(read_rows(path))
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_not_a_catalog(tmp_path: Path) -> None:
    (tmp_path / "c.csv").mkdir()
    with pytest.raises(ConfigurationError, match="is a folder"):
        read_rows(tmp_path / "c.csv")


def test_errors_name_the_source_and_not_its_local_copy(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"s3://bucket/c\.csv does not exist"):
        read_rows(tmp_path / "copy.csv", uri="s3://bucket/c.csv")


def test_a_mapped_column_that_is_missing_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"manga_id": ["A"], "title": ["x"]}), tmp_path / "c.parquet")
    mapping = ColumnMapping.from_json({"start_year": "year"})
    with pytest.raises(ConfigurationError, match="'year' for the field 'start_year'"):
        list(read_rows(tmp_path / "c.parquet", Reading(mapping)))


def test_a_mapping_is_read_from_a_json_file(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_text('{"start_year": "year"}')
    assert load_mapping(str(path)).columns["start_year"] == "year"
    assert load_mapping("").columns["start_year"] == "start_year"


@pytest.mark.parametrize("content", [None, "{", "[]", '{"x": "y"}'])
def test_a_bad_mapping_file_is_one_error_naming_the_setting(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "mapping.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match="MANGA_CATALOG_MAPPING"):
        load_mapping(str(path))


def test_a_byte_order_mark_in_a_mapping_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_bytes(b'\xef\xbb\xbf{"start_year": "year"}')
    assert load_mapping(str(path)).columns["start_year"] == "year"


def test_numbers_too_long_for_64_bits_are_kept_to_the_last_digit(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path / "c.jsonl", '{"id": 12345678901234567890123, "x": 1.5}')
    assert isinstance(row, SourceRow)
    assert row.values == {"id": 12345678901234567890123, "x": 1.5}


def test_rows_of_many_files_are_numbered_on(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("manga_id,title\nA,x\nB\xff,y\n", "latin-1")
    (tmp_path / "b.jsonl").write_text('{"manga_id": "C"}\n{\n{"manga_id": "D"}\n')
    said: list[str] = []
    rows = list(read_files([tmp_path / "a.csv", tmp_path / "b.jsonl"], Reading(say=said.append), uri="folder"))
    assert values_of(rows) == [(1, {"manga_id": "A", "title": "x"}), (3, {"manga_id": "C"}), (5, {"manga_id": "D"})]
    assert [number for number, _, _ in rejects_of(rows)] == [2, 4]
    assert said == ["a.csv: rows 1 to 2", "b.jsonl: rows 3 to 5"]


def test_the_file_of_many_that_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n")
    (tmp_path / "b.json").write_text("[")
    with pytest.raises(ConfigurationError, match=r"reading folder \(b\.json\)"):
        list(read_files([tmp_path / "a.jsonl", tmp_path / "b.json"], uri="folder"))
