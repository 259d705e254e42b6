"""The catalog is read when its source changed, and only then."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from manga_enrichment.aws.s3.catalog_source import LocalCatalog
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.ids import derived_id
from manga_enrichment.domain.catalog.mapping import SAME_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.prompts.fingerprint import hashed_fields
from manga_enrichment.pipeline.catalog.files.rows import Reading
from manga_enrichment.pipeline.catalog.plausibility import (
    DEFAULT_PLAUSIBLE,
    ImplausibleCatalogError,
    PlausibleLimits,
)
from manga_enrichment.pipeline.catalog.reader import hashes_are_of, read_records
from manga_enrichment.pipeline.catalog.refresh import CatalogState, load_state, refresh_catalog
from manga_enrichment.pipeline.catalog.sink import Following
from manga_enrichment.pipeline.store.object_keys import catalog_ids_key, catalog_state_key, rejects_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import catalog_row, ids_of_bucket, title_id, write_source
from manga_enrichment_tests.fakes import FakeClock, MemoryTables

BUCKETS = 4


class CountedSource:
    """A local file that notes how often it was read."""

    def __init__(self, path: Path) -> None:
        self._source = LocalCatalog(str(path))
        self.uri = self._source.uri
        self.reads = 0

    def version(self) -> str:
        return self._source.version()

    @contextmanager
    def local_copy(self) -> Iterator[list[Path]]:
        self.reads += 1
        with self._source.local_copy() as paths:
            yield paths


class Catalog:
    """A source and what was made of it."""

    def __init__(self, folder: Path, rows: int = 12) -> None:
        self.path = write_source(folder / "catalog.jsonl", [catalog_row(number) for number in range(rows)])
        self.source = CountedSource(self.path)
        self.tables = MemoryTables()
        self.clock = FakeClock()

    def refresh(
        self,
        buckets: int = BUCKETS,
        mapping: ColumnMapping = SAME_NAMES,
        plausible: PlausibleLimits = DEFAULT_PLAUSIBLE,
        analyses: Collection[AnalysisType] = ANALYSES.values(),
    ) -> tuple[CatalogState, bool]:
        return refresh_catalog(
            tables=self.tables,
            source=self.source,
            clock=self.clock,
            reading=Reading(mapping),
            bucket_count=buckets,
            say=lambda _line: None,
            following=Following("run-1"),
            analyses=analyses,
            plausible=plausible,
        )

    def ids(self) -> set[str]:
        return {manga_id for bucket in bucket_keys(BUCKETS) for manga_id in ids_of_bucket(self.tables, bucket)}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path)


def test_the_first_refresh_imports_every_bucket_and_records_what_it_did(catalog: Catalog) -> None:
    state, imported = catalog.refresh()
    assert imported
    assert (state.bucket_count, state.rows_read, state.titles) == (BUCKETS, 12, 12)
    assert state.source_uri == str(catalog.path)
    assert set(state.digests) == set(bucket_keys(BUCKETS))
    assert sum(state.bucket_titles.values()) == 12
    assert catalog.ids() == {title_id(number) for number in range(12)}
    assert load_state(catalog.tables, BUCKETS) == state


def test_a_source_that_has_not_changed_is_not_read_again(catalog: Catalog) -> None:
    first, _ = catalog.refresh()
    catalog.clock.advance(3600)
    again, imported = catalog.refresh()
    assert (again, imported, catalog.source.reads) == (first, False, 1)


def test_a_catalog_whose_hashes_are_of_other_fields_than_prompts_show_is_read_again(catalog: Catalog) -> None:
    catalog.refresh()
    assert hashes_are_of(catalog.tables) == hashed_fields(ANALYSES.values())
    alone = [replace(ANALYSES["reading_level"], fields=("title",))]
    _, imported = catalog.refresh(analyses=alone)
    assert (imported, catalog.source.reads, hashes_are_of(catalog.tables)) == (True, 2, ("title",))
    assert catalog.refresh(analyses=alone)[1] is False


def test_a_changed_source_is_read_and_only_its_buckets_get_another_digest(catalog: Catalog) -> None:
    before, _ = catalog.refresh()
    rows = [catalog_row(number) for number in range(12)]
    rows[3] = catalog_row(3, title="Another Title")
    write_source(catalog.path, rows)
    after, imported = catalog.refresh()
    changed = {bucket for bucket in before.digests if before.digests[bucket] != after.digests[bucket]}
    (home,) = (bucket for bucket in bucket_keys(BUCKETS) if title_id(3) in ids_of_bucket(catalog.tables, bucket))
    assert (imported, catalog.source.reads, changed) == (True, 2, {home})
    assert before.catalog_version != after.catalog_version


def test_a_source_that_was_only_touched_gives_the_same_catalog_version(catalog: Catalog) -> None:
    before, _ = catalog.refresh()
    rows = [catalog_row(number) for number in reversed(range(12))]
    write_source(catalog.path, [*rows, catalog_row(0, updated_at="2020-01-01T00:00:00Z")])
    after, imported = catalog.refresh()
    assert imported
    assert after.catalog_version == before.catalog_version


def test_another_column_mapping_reads_the_source_anew(catalog: Catalog) -> None:
    catalog.refresh()
    _, imported = catalog.refresh(mapping=ColumnMapping.from_json({"type": {"const": "manga"}}))
    assert imported
    record = next(read_records(catalog.tables, bucket_keys(BUCKETS)[0]))
    assert record.type == "manga"


def test_a_source_that_lacks_most_of_the_catalog_is_refused_and_nothing_is_replaced(catalog: Catalog) -> None:
    catalog.refresh()
    before = dict(catalog.tables.objects)
    write_source(catalog.path, [catalog_row(5)])
    with pytest.raises(ImplausibleCatalogError, match="MANGA_CATALOG_MAX_LOST=1 for one import"):
        catalog.refresh()
    assert catalog.tables.objects == before


def test_titles_that_left_the_source_leave_the_catalog(catalog: Catalog) -> None:
    catalog.refresh()
    write_source(catalog.path, [catalog_row(5)])
    catalog.refresh(plausible=PlausibleLimits(lost=1))
    assert catalog.ids() == {title_id(5)}


def test_a_wrong_bucket_count_is_refused_before_anything_is_read_or_changed(catalog: Catalog) -> None:
    catalog.refresh()
    before = dict(catalog.tables.objects)
    with pytest.raises(ConfigurationError, match=r"^MANGA_CATALOG_BUCKETS=8, but .* set MANGA_CATALOG_BUCKETS=4"):
        catalog.refresh(buckets=8)
    assert (catalog.source.reads, catalog.tables.objects) == (1, before)
    with pytest.raises(ConfigurationError, match="MANGA_CATALOG_BUCKETS=8"):
        load_state(catalog.tables, 8)


def test_a_source_that_is_gone_is_one_sentence_with_its_path_and_leaves_the_catalog(catalog: Catalog) -> None:
    catalog.refresh()
    before = dict(catalog.tables.objects)
    catalog.path.unlink()
    with pytest.raises(ConfigurationError, match=r"catalog\.jsonl cannot be read .*: correct MANGA_CATALOG_URI"):
        catalog.refresh()
    assert catalog.tables.objects == before


def test_an_import_that_breaks_off_is_done_again_by_the_next_run(catalog: Catalog) -> None:
    """A kill between the buckets and the state: the state is written last, so the next run reads the source again."""
    catalog.refresh()
    write_source(catalog.path, [catalog_row(number) for number in range(20)])
    killed = catalog.tables.objects[catalog_state_key()]
    catalog.refresh()
    catalog.tables.objects[catalog_state_key()] = killed
    _, imported = catalog.refresh()
    assert imported
    assert catalog.ids() == {title_id(number) for number in range(20)}


def test_bad_rows_are_counted_and_kept_as_rejects(catalog: Catalog) -> None:
    rows = [catalog_row(1, volumes="?"), catalog_row(3, isbn13="?"), catalog_row(2, title=None), {"title": "no id"}]
    write_source(catalog.path, rows)
    state, _ = catalog.refresh()
    assert state.titles == 2
    assert list(state.rejected.items()) == [("missing_manga_id", 1), ("missing_title", 1)]
    assert list(state.warnings) == sorted(state.warnings)
    assert len(state.warnings) == 2
    rejects = catalog.tables.read(rejects_key())
    assert rejects is not None
    assert rejects.table.num_rows == 2


def test_before_the_first_import_there_is_no_state() -> None:
    assert load_state(MemoryTables(), BUCKETS) is None


def test_titles_that_came_to_the_same_id_are_remembered(catalog: Catalog) -> None:
    mapping = ColumnMapping.from_json(
        {"manga_id": {"id_from": {"source": "mal", "id": "n"}}, "source": {"const": "mal"}, "source_id": "n"}
    )
    catalog.tables.write_json(catalog_ids_key(), {"mal\n7": derived_id("mal", "13")})
    write_source(catalog.path, [{"n": 13, "title": "x"}, {"n": 14, "title": "y"}])
    catalog.refresh(mapping=mapping)
    ids = {derived_id("mal", "13", 1), derived_id("mal", "14")}
    assert catalog.ids() == ids
    assert catalog.tables.read_json(catalog_ids_key()) == {
        "mal\n7": derived_id("mal", "13"),
        "mal\n13": derived_id("mal", "13", 1),
    }
    catalog.tables.objects.pop(catalog_ids_key())  # what is stored remembers it, too
    write_source(catalog.path, [{"n": 13, "title": "x"}, {"n": 14, "title": "y"}, {"n": 15, "title": "z"}])
    catalog.refresh(mapping=mapping)
    assert catalog.ids() == {*ids, derived_id("mal", "15")}
    assert catalog.tables.read_json(catalog_ids_key()) == {"mal\n13": derived_id("mal", "13", 1)}


def test_a_catalog_in_another_encoding_is_the_same_catalog_or_is_refused(tmp_path: Path) -> None:
    """CP932 over UTF-8 once left 2 titles of 40, and nothing said so."""
    rows = [f"{title_id(number)},港の灯 その{number},船が行く。\n" for number in range(40)]
    path = tmp_path / "catalog.csv"
    path.write_text("manga_id,title,synopsis\n" + "".join(rows), "utf-8")
    catalog = Catalog(tmp_path)
    catalog.source = CountedSource(path)
    before, _ = catalog.refresh()
    path.write_text("manga_id,title,synopsis\n" + "".join(rows), "cp932")
    after, imported = catalog.refresh()
    assert imported
    assert (after.titles, after.catalog_version) == (40, before.catalog_version)

    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ImplausibleCatalogError, match=r"no usable title in 40 rows .*_CATALOG_ENCODING"):
        refresh_catalog(
            tables=catalog.tables,
            source=catalog.source,
            clock=catalog.clock,
            reading=Reading(encoding="utf-8"),
            bucket_count=BUCKETS,
            say=lambda _line: None,
            following=Following("run-1"),
            analyses=ANALYSES.values(),
        )
    assert len(catalog.ids()) == 40


@pytest.mark.parametrize("newer", ["2026-05-20 21:34:02 UTC", "1779312842", 1779312842, "20260520", "May 20, 2026"])
def test_the_newer_row_of_a_title_wins_however_its_moment_is_written(catalog: Catalog, newer: object) -> None:
    rows = [catalog_row(1, title="newer", updated_at=newer), catalog_row(1, title="older", updated_at="2019-07-22")]
    write_source(catalog.path, rows)
    catalog.refresh()
    (record,) = (record for bucket in bucket_keys(BUCKETS) for record in read_records(catalog.tables, bucket))
    assert record.title == "newer"
