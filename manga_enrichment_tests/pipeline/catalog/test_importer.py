"""One pass over a source: buckets, rejects, report."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.domain.catalog.records import MangaRecord, bucket_keys, bucket_of
from manga_enrichment.domain.catalog.rows import RejectedRow, RejectReason
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.rows import Reading, SourceRow
from manga_enrichment.pipeline.catalog.importer import ImportPlan, ImportReport, import_catalog
from manga_enrichment.pipeline.catalog.plausibility import ImplausibleCatalogError, PlausibleLimits
from manga_enrichment.pipeline.catalog.source_files import load_mapping, read_rows
from manga_enrichment.pipeline.catalog.spill import SpillLimits
from manga_enrichment.pipeline.catalog.tables import CATALOG_SCHEMA, REJECTS_SCHEMA, WARNINGS_SCHEMA

ROOT = Path(__file__).parents[3]
MADB = ROOT.parent / "shared" / "catalog" / "madb_serializations.parquet"


class MemorySink:
    """Keeps what is put; rejects as rows, because their table does not outlive the call."""

    def __init__(self) -> None:
        self.buckets: dict[str, pa.Table] = {}
        self.parts: dict[str, int] = {}
        self.rejects: list[dict[str, Any]] | None = None
        self.warnings: list[dict[str, Any]] | None = None

    def begin(self, rejected: Mapping[str, str]) -> None:
        assert not self.buckets
        self.rejected_ids = dict(rejected)

    def put_bucket(self, bucket: str, parts: Iterable[pa.Table]) -> str:
        assert bucket not in self.buckets
        self.buckets[bucket] = self._whole(parts, CATALOG_SCHEMA)
        self.parts[bucket] = len(list(parts))
        return ""

    def put_rejects(self, parts: Iterable[pa.Table]) -> None:
        assert self.rejects is None
        self.rejects = self._whole(parts, REJECTS_SCHEMA).to_pylist()

    def put_warnings(self, parts: Iterable[pa.Table]) -> None:
        assert self.warnings is None
        self.warnings = self._whole(parts, WARNINGS_SCHEMA).to_pylist()

    def _whole(self, parts: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
        table = pa.concat_tables(parts)
        assert table.equals(pa.concat_tables(parts)), "they can be read again"
        assert table.schema.equals(schema)
        return table

    def titles(self) -> dict[str, str]:
        return {
            row["manga_id"]: row["title"]
            for table in self.buckets.values()
            for row in table.select(["manga_id", "title"]).to_pylist()
        }


def title_hash(record: MangaRecord) -> str:
    return hashlib.sha256(record.title.encode()).hexdigest()


def source(*rows: object) -> list[SourceRow]:
    return [SourceRow(number, row, json.dumps(row).encode()) for number, row in enumerate(rows, 1)]


def row(number: int, title: str = "Harbor", **fields: Any) -> dict[str, object]:
    return {"manga_id": f"MNG-{number:08}", "title": title, **fields}


def run(rows: Iterable[SourceRow | RejectedRow], bucket_count: int = 4, **plan: Any) -> tuple[MemorySink, ImportReport]:
    sink = MemorySink()
    return sink, import_catalog(rows, sink, ImportPlan(bucket_count, title_hash, **plan))


def test_every_title_is_in_its_bucket_and_buckets_are_sorted() -> None:
    sink, report = run(source(*(row(number) for number in range(100, 0, -1))))
    assert sorted(sink.buckets) == bucket_keys(4)
    for bucket, table in sink.buckets.items():
        ids = table.column("manga_id").to_pylist()
        assert ids == sorted(ids)
        assert {bucket_of(manga_id, 4) for manga_id in ids} == {bucket}
        assert report.buckets[bucket].titles == len(ids)
    assert report.titles == report.rows_read == 100
    assert sink.rejects == []


def test_empty_buckets_are_stored_too_so_that_old_titles_vanish() -> None:
    sink, report = run(source(row(1)), bucket_count=16)
    assert len(sink.buckets) == 16
    assert sum(table.num_rows for table in sink.buckets.values()) == 1
    assert report.buckets["00"].digest


def test_the_content_hash_is_the_given_function_of_the_clean_record() -> None:
    sink, _ = run(source(row(1, " <b>Harbor</b> ")), bucket_count=1)
    assert sink.buckets["0"].column("content_hash").to_pylist() == [hashlib.sha256(b"Harbor").hexdigest()]


def test_the_newest_row_of_an_id_wins_and_the_others_are_rejected_with_their_raw_rows() -> None:
    rows = [
        row(1, "undated"),
        row(1, "new", updated_at="2024-05-01"),
        row(1, "old", updated_at="2020-05-01"),
        row(2, "first", updated_at="2024-05-01"),
        row(2, "later", updated_at="2024-05-01T09:00:00+09:00"),
        row(3, "undated"),
        row(3, "undated, later"),
    ]
    sink, report = run(source(*rows))
    assert sink.titles() == {"MNG-00000001": "new", "MNG-00000002": "later", "MNG-00000003": "undated, later"}
    assert report.rejected == {"duplicate_of_newer_row": 4}
    assert sink.rejects is not None
    rejects = sorted(sink.rejects, key=lambda reject: reject["row_number"])
    assert [(reject["row_number"], reject["manga_id"]) for reject in rejects] == [
        (1, "MNG-00000001"),
        (3, "MNG-00000001"),
        (4, "MNG-00000002"),
        (6, "MNG-00000003"),
    ]
    assert [json.loads(reject["raw_json"]) for reject in rejects] == [rows[0], rows[2], rows[3], rows[5]]


def test_bad_rows_do_not_stop_the_run_and_are_not_lost() -> None:
    rows: list[SourceRow | RejectedRow] = [
        *source(row(1), {"title": "no id"}, [1], row(2, "")),
        RejectedRow(5, None, RejectReason.INVALID_JSON, '{"a": '),
    ]
    sink, report = run(rows)
    assert report.rows_read == 5
    assert report.titles == 1
    assert report.rejected == {"missing_manga_id": 1, "not_an_object": 1, "missing_title": 1, "invalid_json": 1}
    assert sink.rejects is not None
    assert [(reject["row_number"], reject["reason"], reject["raw_json"]) for reject in sink.rejects] == [
        (2, "missing_manga_id", '{"title": "no id"}'),
        (3, "not_an_object", "[1]"),
        (4, "missing_title", '{"manga_id": "MNG-00000002", "title": ""}'),
        (5, "invalid_json", '{"a": '),
    ]


def test_whatever_was_dropped_or_merged_is_counted_and_listed_and_unknown_columns_pass_unseen() -> None:
    rows = [row(1, isbn13="123", shelf="A"), row(2, isbn13="456", themes=["a", "a"], shelf="\ud800") | {"": 1}]
    sink, report = run(source(*rows))
    assert report.warnings == {"invalid_isbn13": 2, "duplicate_themes": 1}
    assert report.titles == 2
    assert sink.warnings == [
        {"row_number": 1, "manga_id": "MNG-00000001", "field": "isbn13", "reason": "invalid", "raw_value": "123"},
        {"row_number": 2, "manga_id": "MNG-00000002", "field": "isbn13", "reason": "invalid", "raw_value": "456"},
        {
            "row_number": 2,
            "manga_id": "MNG-00000002",
            "field": "themes",
            "reason": "duplicate",
            "raw_value": '["a", "a"]',
        },
    ]


def test_a_raw_value_that_is_no_unicode_is_listed_escaped() -> None:
    sink, _ = run(source(row(1, volumes="\ud83d")))
    assert sink.warnings is not None
    assert [warning["raw_value"] for warning in sink.warnings] == ["\\ud83d"]


def test_a_digest_depends_on_content_and_not_on_the_order_of_rows() -> None:
    rows = [row(number) for number in range(20)]
    _, report = run(source(*rows))
    _, shuffled = run(source(*reversed(rows)))
    assert shuffled.buckets == report.buckets
    _, changed = run(source(*rows[:-1], row(19, publisher="Kisaragi Press")))
    different = [key for key in report.buckets if report.buckets[key].digest != changed.buckets[key].digest]
    assert different == [bucket_of("MNG-00000019", 4)]


def test_many_small_flushes_give_the_same_result() -> None:
    rows = source(*(row(number % 150, f"Title {number}", synopsis="x" * number, volumes="?") for number in range(400)))
    sink, report = run(rows)
    progress: list[int] = []
    limits = SpillLimits(batch_rows=3, flush_rows=7, row_characters=100, slice_bytes=40_000)
    small_sink, small_report = run(rows, limits=limits, on_progress=progress.append)
    assert small_report == report
    assert set(small_sink.buckets) == set(sink.buckets) == set(bucket_keys(4))
    assert all(small_sink.buckets[bucket].equals(table) for bucket, table in sink.buckets.items())
    assert set(sink.parts.values()) == {1}
    assert min(small_sink.parts.values()) > 3
    assert small_sink.rejects == sink.rejects
    assert small_sink.warnings == sink.warnings
    assert len(sink.warnings or []) == 400
    assert progress == sorted(progress)
    assert progress


def test_a_bucket_of_one_title_in_many_rows_is_one_slice() -> None:
    rows = source(*(row(1, f"Title {number}") for number in range(50)), row(2))
    sink, report = run(rows, 1, limits=SpillLimits(flush_rows=7, slice_bytes=1_000), plausible=PlausibleLimits(1, 1))
    assert sink.titles() == {"MNG-00000001": "Title 49", "MNG-00000002": "Harbor"}
    assert report.rejected == {"duplicate_of_newer_row": 49}


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from([None, "2020-01-01", "2021-01-01"]), st.booleans()), min_size=1
    )
)
def test_every_row_is_a_title_or_a_reject(rows: list[tuple[int, str | None, bool]]) -> None:
    raw = [row(number, "x" if titled else "", updated_at=moment) for number, moment, titled in rows]
    sink = MemorySink()
    try:
        report = import_catalog(source(*raw), sink, ImportPlan(2, title_hash, plausible=PlausibleLimits(1, 1)))
    except ConfigurationError:
        assert not any(titled for _, _, titled in rows)
        assert sink.rejects is not None
        assert len(sink.rejects) == len(rows)
        return
    assert sink.rejects is not None
    assert report.rows_read == len(rows) == report.titles + len(sink.rejects)
    assert report.titles == len({number for number, _, titled in rows if titled}) == len(sink.titles())


@pytest.mark.parametrize("bucket_count", [0, -1, 1025])
def test_a_bucket_count_out_of_range_is_refused(bucket_count: int) -> None:
    with pytest.raises(ConfigurationError, match=f"MANGA_CATALOG_BUCKETS={bucket_count}"):
        run(source(row(1)), bucket_count=bucket_count)


def test_a_source_without_titles_leaves_the_catalog_and_shows_the_rejects() -> None:
    sink = MemorySink()
    with pytest.raises(ConfigurationError, match=r"no usable title in 2 rows \(missing_manga_id 2\)"):
        import_catalog(source({"id": 1}, {"id": 2}), sink, ImportPlan(2, title_hash))
    assert sink.buckets == {}
    assert sink.rejects is not None
    assert len(sink.rejects) == 2


def test_an_empty_source_leaves_the_catalog() -> None:
    with pytest.raises(ConfigurationError, match="no usable title in 0 rows"):
        run([])


def test_a_mapped_column_that_no_row_has_is_named() -> None:
    mapping = ColumnMapping.from_json({"start_year": "year"})
    with pytest.raises(ConfigurationError, match="'year' for the field 'start_year'"):
        run(source(row(1)), mapping=mapping)
    _, report = run(source(row(1), row(2, year=1999)), mapping=mapping)
    assert report.titles == 2


def test_a_source_that_loses_too_many_titles_stores_nothing() -> None:
    rows = source(*(row(number % 20) for number in range(100)))
    sink = MemorySink()
    plan = ImportPlan(4, title_hash, titles_before=40)
    with pytest.raises(ImplausibleCatalogError, match=r"it has 20 titles, where the catalog has 40\b") as caught:
        import_catalog(rows, sink, plan)
    assert (sink.buckets, sink.rejects, sink.warnings) == ({}, None, None)
    assert caught.value.counts.titles == 20
    assert import_catalog(rows, sink, replace(plan, plausible=PlausibleLimits(lost=0.5))).titles == 20


def test_a_source_without_titles_leaves_the_rejects_of_the_catalog_too() -> None:
    sink = MemorySink()
    with pytest.raises(ConfigurationError, match="no usable title"):
        import_catalog(source({"id": 1}), sink, ImportPlan(2, title_hash, titles_before=1))
    assert sink.rejects is None


def test_a_source_that_breaks_off_stores_nothing(tmp_path: Path) -> None:
    def breaking() -> Iterable[SourceRow]:
        yield from source(row(1))
        raise ConfigurationError("the file is cut off")

    sink = MemorySink()
    with pytest.raises(ConfigurationError, match="cut off"):
        import_catalog(breaking(), sink, ImportPlan(2, title_hash, spill_folder=tmp_path))
    assert sink.buckets == {}
    assert sink.rejects is None
    assert list(tmp_path.iterdir()) == []


MANY_BUCKETS = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from manga_enrichment.pipeline.catalog.plausibility import ImplausibleCatalogError, PlausibleLimits
from manga_enrichment.pipeline.catalog.files.rows import Reading, SourceRow
from manga_enrichment.pipeline.catalog.importer import ImportPlan, import_catalog
class Sink:
    buckets = 0
    def begin(self, rejected): pass
    def put_bucket(self, bucket, table): self.buckets += 1
    def put_rejects(self, table): pass
    def put_warnings(self, table): pass
rows = (SourceRow(n, {"manga_id": f"MNG-{n:08}", "title": "x"}, b"{}") for n in range(3000))
sink = Sink()
report = import_catalog(rows, sink, ImportPlan(1024, lambda record: "h", spill_folder=Path(sys.argv[1])))
print(sink.buckets, report.titles)
"""


@pytest.mark.slow
def test_a_thousand_buckets_need_few_open_files(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY_BUCKETS, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["1024", "3000"], done.stderr


@pytest.mark.skipif(not MADB.exists(), reason="../shared/catalog is not on this machine")
def test_a_real_catalog_loads_with_a_mapping_and_no_code() -> None:
    mapping = load_mapping(str(ROOT / "data" / "catalog" / "madb_mapping.json"))
    sink, report = run(read_rows(MADB, Reading(mapping)), bucket_count=8, mapping=mapping)
    assert report.rows_read == 30_023
    assert report.titles + sum(report.rejected.values()) == 30_023
    assert report.titles == 30_023
    assert report.warnings == {"duplicate_authors": 2, "null_word_authors": 20}
    years = pa.concat_tables(sink.buckets.values()).column("start_year")
    assert 0 < years.null_count < 30_023
