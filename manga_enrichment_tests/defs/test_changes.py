"""Whoever follows the changes of nightly runs has the tables: nights, runs of one analysis, and what Dagster shows."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.defs.operations.changes_job import CHANGES_JOB
from manga_enrichment.domain.tables.changes import CATALOG_CHANGES, CHANGE_COLUMNS, ENRICHED_CHANGES, TOMBSTONES
from manga_enrichment.pipeline.store.object_keys import changes_prefix, tombstones_key
from manga_enrichment_tests.builders import SYNOPSIS, catalog_row, title_id, write_source
from manga_enrichment_tests.defs.project import FIRST, LAST, Project, materialized
from manga_enrichment_tests.follower import Follower

pytestmark = pytest.mark.slow
TITLES = 100
DAY = 24 * 3600


class Nights:
    """A project whose catalog changes by a hundredth from night to night."""

    def __init__(self, folder: Path, titles: int = TITLES) -> None:
        self.titles = {number: catalog_row(number) for number in range(titles)}
        self.project = Project(folder, catalog=self.titles.values())
        self.followers = [Follower(self.project.world.tables, name) for name in (ENRICHED_CHANGES, CATALOG_CHANGES)]

    def change(self, *numbers: int, gone: range = range(0)) -> None:
        for number in numbers:
            self.titles[number] = catalog_row(number, synopsis=f"{SYNOPSIS} A letter is for {number}.")
        for number in gone:
            del self.titles[number]
        write_source(self.project.source, self.titles.values())

    def run(self, selection: list[str] | None = None) -> dg.ExecuteInProcessResult:
        self.project.world.clock.advance(DAY)
        result = self.project.run(selection)
        assert result.success
        return result

    def new_rows(self) -> list[list[dict[str, Any]]]:
        """Of `enriched_changes` and `catalog_changes`; each follower then has its table."""
        found = [follower.look() for follower in self.followers]
        for follower in self.followers:
            follower.assert_equals_the_table([FIRST, LAST])
            follower.assert_versions_are_a_chain()
        return found


def test_whoever_follows_for_three_nights_has_the_table(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    nights.run()
    first, _ = nights.new_rows()
    assert [row["kind"] for row in first] == ["added"] * TITLES
    for night, changed in enumerate((7, 41, 77)):
        gone = range(10 + 5 * night, 15 + 5 * night)
        nights.change(changed, gone=gone)
        nights.run()
        enriched, catalog = nights.new_rows()
        removed = {row["manga_id"] for row in enriched if row["kind"] == "removed"}
        assert removed == {title_id(number) for number in gone}
        assert {row["manga_id"] for row in catalog if row["field"] == "synopsis"} == {title_id(changed)}
        touched = {row["manga_id"] for row in enriched if row["field"] == "content_summary_answered_at"}
        assert title_id(changed) in touched
    assert sum(map(len, nights.followers[0].titles.values())) == TITLES - 15
    assert nights.run().success
    assert nights.new_rows() == [[], []], "a night in which nothing changed says nothing"


def test_a_run_of_one_analysis_tells_its_columns_alone(tmp_path: Path) -> None:
    nights = Nights(tmp_path, 12)
    nights.run(["manga_catalog", "similar_candidates", "enriched_catalog"])
    nights.new_rows()
    nights.run(["reading_level"])
    assert nights.new_rows() == [[], []], "the wide table was not written"
    nights.run(["genre_classification", "enriched_catalog"])
    enriched, catalog = nights.new_rows()
    fields = {row["field"] for row in enriched}
    assert {"primary_genre", "genre_classification_answered_at", "reading_level"} <= fields
    assert not any(field.startswith(("summary", "content_summary", "similar")) for field in fields)
    assert (catalog, {row["kind"] for row in enriched}) == ([], {"changed"})


def test_a_title_that_returns_is_added_again_with_what_it_had(tmp_path: Path) -> None:
    nights = Nights(tmp_path, 12)
    nights.run()
    before = dict(nights.titles)
    nights.new_rows()
    had = {**nights.followers[0].titles[FIRST], **nights.followers[0].titles[LAST]}[title_id(4)]
    nights.change(gone=range(4, 5))
    nights.run()
    nights.new_rows()
    nights.titles = before
    nights.change()
    nights.run()
    nights.new_rows()
    has = {**nights.followers[0].titles[FIRST], **nights.followers[0].titles[LAST]}[title_id(4)]
    assert has == had, "its answers were in the ledger"


def test_dagster_knows_the_tables_and_what_was_added_to_each(tmp_path: Path) -> None:
    nights = Nights(tmp_path, 12)
    nights.run()
    nights.change(3, gone=range(4, 5))
    told = materialized(nights.run())
    enriched, _ = nights.followers[0].look(), nights.followers[1].look()
    assert set(told) >= {ENRICHED_CHANGES, CATALOG_CHANGES, TOMBSTONES}
    (left,) = told[TOMBSTONES].values()
    assert left["titles_left"] == 1
    assert sum(each["titles_removed"] for each in told[ENRICHED_CHANGES].values()) == 1
    last = {row["version"] for row in enriched if row["previous_version"]}
    assert {each["version"] for each in told[ENRICHED_CHANGES].values()} == last
    shown = "\n".join(each["preview"] for each in told[CATALOG_CHANGES].values())
    assert shown.startswith("| title | kind | field | from | to |")
    assert "| `changed` | `synopsis` |" in shown
    assert nights.titles[3]["title"] in shown
    (bucket,) = told[TOMBSTONES]
    assert nights.project.world.tables.read(tombstones_key(bucket)) is not None
    assert materialized(nights.run()).keys().isdisjoint({ENRICHED_CHANGES, CATALOG_CHANGES, TOMBSTONES})


@pytest.mark.parametrize("name", [ENRICHED_CHANGES, CATALOG_CHANGES, TOMBSTONES])
def test_the_ui_lists_their_columns(tmp_path: Path, name: str) -> None:
    key = dg.AssetKey(name)
    spec = Nights(tmp_path, 1).project.definitions.resolve_assets_def(key).get_asset_spec(key)
    schema = spec.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert (spec.kinds, list(spec.owners)) == ({"parquet", "s3"}, ["team:catalog-data"])
    if name != TOMBSTONES:
        assert [column.name for column in schema.columns] == [column.name for column in CHANGE_COLUMNS]


def test_the_job_deletes_days_that_are_over(tmp_path: Path) -> None:
    project = Project(tmp_path, changes_days=2)
    clock, tables = project.world.clock, project.world.tables
    for _ in range(4):
        row = catalog_row(1, synopsis=f"{SYNOPSIS} {clock.now()}")
        write_source(project.source, [row])
        assert project.run(["manga_catalog"]).success
        clock.advance(DAY)
    job = project.definitions.resolve_job_def(CHANGES_JOB)
    result = job.execute_in_process()
    assert result.success
    days = {key.split("date=")[1][:10] for key in tables.list_keys(changes_prefix(CATALOG_CHANGES))}
    assert len(days) == 2
    assert min(days) == (clock.now() - timedelta(days=2)).date().isoformat()
