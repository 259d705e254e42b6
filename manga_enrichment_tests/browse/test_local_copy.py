"""The copy on this disk: each version of an object once, always whole, of today's columns, and no more than is read."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manga_enrichment.aws.s3.table_files import FolderTableFiles
from manga_enrichment.browse.local_copy import Copy, LocalCopy
from manga_enrichment.browse.tables import connect
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment_tests.browse_world import PUBLISHED, add_views
from manga_enrichment_tests.builders import catalog_table, record, title_id

CATALOG = "catalog/bucket=0/part.parquet"


class Files:
    """TableFiles in memory; counts what is fetched, and may replace an object while it is asked for."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, Path]] = {}
        self.fetched: list[str] = []
        self.meanwhile: dict[str, tuple[str, Path] | None] = {}

    def versions(self) -> Mapping[str, str]:
        return {path: tag for path, (tag, _body) in self.objects.items()}

    def fetch(self, path: str, target: Path) -> str | None:
        if path in self.meanwhile:
            replacement = self.meanwhile.pop(path)
            if replacement is None:
                del self.objects[path]
            else:
                self.objects[path] = replacement
        if path not in self.objects:
            return None
        self.fetched.append(path)
        tag, body = self.objects[path]
        target.write_bytes(body.read_bytes())
        return tag


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files()
    for tag, titles in (("one", [1]), ("two", [1, 2])):
        pq.write_table(catalog_table((record(n), "hash") for n in titles), tmp_path / f"{tag}.parquet")
    made.objects[CATALOG] = ("one", tmp_path / "one.parquet")
    return made


def titles_of(copy: Copy) -> list[str]:
    with connect(memory_mb=50, threads=1) as connection:
        add_views(connection, copy)
        return [row[0] for row in connection.execute("SELECT manga_id FROM catalog ORDER BY 1").fetchall()]


def test_an_object_is_fetched_once_a_version(files: Files, tmp_path: Path) -> None:
    local = LocalCopy(files, PUBLISHED, tmp_path / "home")
    first, again = local.refresh(), local.refresh()
    assert files.fetched == [CATALOG]
    assert first.version(["catalog"]) == again.version(["catalog"])
    assert titles_of(first) == [title_id(1)]
    files.objects[CATALOG] = ("two", tmp_path / "two.parquet")
    second = local.refresh()
    assert files.fetched == [CATALOG] * 2
    assert second.version(["catalog"]) != first.version(["catalog"])
    assert second.version(["outcomes"]) == first.version(["outcomes"])
    assert titles_of(second) == [title_id(1), title_id(2)]


def test_who_still_reads_the_copy_before_finds_its_files(files: Files, tmp_path: Path) -> None:
    local = LocalCopy(files, PUBLISHED, tmp_path / "home")
    first = local.refresh()
    files.objects[CATALOG] = ("two", tmp_path / "two.parquet")
    local.refresh()
    assert titles_of(first) == [title_id(1)]
    local.refresh()
    assert not first.of("catalog")[0].local.exists()


def test_a_copy_survives_the_process(files: Files, tmp_path: Path) -> None:
    LocalCopy(files, PUBLISHED, tmp_path / "home").refresh()
    copy = LocalCopy(files, PUBLISHED, tmp_path / "home").refresh()
    assert files.fetched == [CATALOG]
    assert titles_of(copy) == [title_id(1)]


def test_what_is_replaced_while_it_is_fetched_comes_in_its_new_version(files: Files, tmp_path: Path) -> None:
    files.meanwhile[CATALOG] = ("two", tmp_path / "two.parquet")
    copy = LocalCopy(files, PUBLISHED, tmp_path / "home").refresh()
    assert titles_of(copy) == [title_id(1), title_id(2)]


def test_what_is_gone_when_it_is_fetched_is_looked_for_again(files: Files, tmp_path: Path) -> None:
    files.meanwhile[CATALOG] = None
    copy = LocalCopy(files, PUBLISHED, tmp_path / "home").refresh()
    assert titles_of(copy) == []
    assert not list((tmp_path / "home").rglob(".*"))


def test_only_published_tables_are_copied(files: Files, tmp_path: Path) -> None:
    body = tmp_path / "one.parquet"
    files.objects |= {"secrets/part.parquet": ("a", body), "catalog/../../x.parquet": ("b", body)}
    LocalCopy(files, PUBLISHED, tmp_path / "home").refresh()
    assert files.fetched == [CATALOG]


def test_a_file_of_an_earlier_release_gets_todays_columns(files: Files, tmp_path: Path) -> None:
    old = catalog_table([(record(1), "hash")]).drop_columns(["themes", "title_kana"])
    old = old.append_column("withdrawn", pa.array(["x"]))
    pq.write_table(old, tmp_path / "old.parquet")
    files.objects[CATALOG] = ("old", tmp_path / "old.parquet")
    files.objects["catalog/bucket=1/part.parquet"] = ("two", tmp_path / "two.parquet")
    copy = LocalCopy(files, PUBLISHED, tmp_path / "home").refresh()
    with connect(memory_mb=50, threads=1) as connection:
        add_views(connection, copy)
        rows = connection.sql("SELECT * FROM catalog ORDER BY bucket, manga_id").to_arrow_table()
    assert "withdrawn" not in rows.column_names
    assert rows.column("themes").to_pylist() == [None, [], []]
    assert rows.column("bucket").to_pylist() == ["0", "1", "1"]
    assert rows.column("title").to_pylist()[0] == record(1).title


def test_a_table_that_nothing_was_written_to_is_empty_and_has_its_columns(files: Files, tmp_path: Path) -> None:
    copy = LocalCopy(files, PUBLISHED, tmp_path / "home").refresh()
    with connect(memory_mb=50, threads=1) as connection:
        add_views(connection, copy)
        for table in PUBLISHED:
            found = connection.sql(f'SELECT * FROM "{table.name}"').to_arrow_table()  # noqa: S608
            in_path = [key.value for key in table.partition_keys]
            assert set(found.column_names) == {*(each.name for each in table.columns), *in_path}


def test_a_folder_has_versions_that_change_with_its_files(tmp_path: Path) -> None:
    path = tmp_path / "catalog" / "bucket=0" / "part.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    (tmp_path / "catalog" / "_state.json").write_text("{}")
    files = FolderTableFiles(tmp_path)
    first = dict(files.versions())
    assert list(first) == [CATALOG]
    coming = path.with_suffix(".new")
    coming.write_bytes(b"other")
    coming.replace(path)
    assert files.versions()[CATALOG] != first[CATALOG]
    assert files.fetch(CATALOG, tmp_path / "target") == files.versions()[CATALOG]
    assert (tmp_path / "target").read_bytes() == b"other"
    path.unlink()
    assert files.fetch(CATALOG, tmp_path / "target") is None


def test_a_folder_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no folder"):
        FolderTableFiles(tmp_path / "nowhere")
