"""Quality checks find what is wrong with a table and name an example."""

from typing import Any

import pyarrow as pa
import pytest

from manga_enrichment.pipeline.health.table_quality import (
    CatalogIds,
    check_references,
    check_rows,
    coverage,
    outcome_facts,
    outcome_summary,
    refers_to_titles,
)
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment.pipeline.store.rows import answer_schema
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, SINGLES, World, bare_record, put_catalog, record, title_id
from manga_enrichment_tests.pipeline.enrichment.test_write_reads import seen_by, watched_world

LEVEL, SIMILAR = "reading_level", "similar_series"


@pytest.fixture
def world() -> World:
    world = World()
    put_catalog(world.tables, [record(1), record(2), record(3), record(4), bare_record(5)])
    world.run()
    return world


def rewrite(world: World, name: str, rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> None:
    table = pa.Table.from_pylist(rows, schema=schema or answer_schema(ANALYSES[name]))
    world.tables.write(table_key(name, BUCKET), table)


@pytest.mark.parametrize("name", SINGLES)
def test_what_a_run_writes_is_sound(world: World, name: str) -> None:
    report = check_rows(world.tables, ANALYSES[name], [BUCKET])
    assert (report.rows, report.problems, report.examples) == (4, {}, [])


def test_a_bucket_that_was_never_written_has_no_problems() -> None:
    world = World()
    put_catalog(world.tables, [record(1)])
    assert check_rows(world.tables, ANALYSES[LEVEL], [BUCKET]).rows == 0


def test_a_row_of_a_title_that_is_not_in_the_catalog_is_found(world: World) -> None:
    put_catalog(world.tables, [record(1), record(2), record(3)])
    report = check_rows(world.tables, ANALYSES[LEVEL], [BUCKET])
    assert report.problems == {"unknown_id": 1}
    assert report.examples == [f"unknown_id: {title_id(4)} is not in catalog bucket {BUCKET}"]


def test_the_ids_of_a_catalog_are_read_once_for_all_analyses() -> None:
    world = watched_world()
    world.run()
    seen_by(world).clear()
    ids = CatalogIds(world.tables)
    for name in SINGLES:
        assert check_rows(world.tables, ANALYSES[name], [BUCKET], ids).problems == {}
    assert check_references(world.tables, ANALYSES[SIMILAR], [BUCKET], [BUCKET], ids).problems == {}
    assert seen_by(world).count(table_key("catalog", BUCKET)) == 1


def test_a_title_that_came_after_others_had_looked_is_no_problem(world: World) -> None:
    everything = world.tables.objects[table_key("catalog", BUCKET)]
    put_catalog(world.tables, [record(1)])
    ids = CatalogIds(world.tables)
    ids.of(BUCKET)
    world.tables.objects[table_key("catalog", BUCKET)] = everything
    report = check_rows(world.tables, ANALYSES[LEVEL], [BUCKET], ids)
    assert (report.rows, report.problems) == (4, {})
    put_catalog(world.tables, [record(1)])
    ids.forget()
    ids.of(BUCKET)
    world.tables.objects[table_key("catalog", BUCKET)] = everything
    assert check_references(world.tables, ANALYSES[SIMILAR], [BUCKET], [BUCKET], ids).problems == {}


def test_a_title_that_is_not_there_however_often_one_looks_is_found(world: World) -> None:
    ids = CatalogIds(world.tables)
    put_catalog(world.tables, [record(1), record(2), record(3)])
    assert check_rows(world.tables, ANALYSES[LEVEL], [BUCKET], ids).problems == {"unknown_id": 1}
    assert check_references(world.tables, ANALYSES[SIMILAR], [BUCKET], [BUCKET], ids).problems["dangling_id"] >= 1


def test_a_title_with_two_rows_is_found(world: World) -> None:
    rows = list(world.answers(LEVEL).values())
    rewrite(world, LEVEL, [*rows, rows[0]])
    assert check_rows(world.tables, ANALYSES[LEVEL], [BUCKET]).problems == {"duplicate_id": 1}


def test_a_similar_title_that_does_not_exist_is_found(world: World) -> None:
    rows = list(world.answers(SIMILAR).values())
    rows[0]["similar_titles"] = [{"manga_id": "MNG-NOWHERE0", "score": 0.5, "reason": "none"}]
    rewrite(world, SIMILAR, rows)
    assert check_rows(world.tables, ANALYSES[SIMILAR], [BUCKET]).problems == {}
    report = check_references(world.tables, ANALYSES[SIMILAR], [BUCKET], [BUCKET])
    assert (report.rows, report.problems) == (4, {"dangling_id": 1})
    assert report.examples == [f"dangling_id: {title_id(1)} names MNG-NOWHERE0, which is not in the catalog"]


def test_only_similar_series_names_other_titles() -> None:
    assert [name for name in SINGLES if refers_to_titles(ANALYSES[name])] == [SIMILAR]


def test_titles_of_other_buckets_may_be_named(world: World) -> None:
    rows = list(world.answers(SIMILAR).values())
    world.tables.write(table_key(SIMILAR, "0"), pa.Table.from_pylist(rows, schema=answer_schema(ANALYSES[SIMILAR])))
    catalog = world.tables.objects[table_key("catalog", BUCKET)]
    world.tables.objects[table_key("catalog", "1")] = catalog
    put_catalog(world.tables, [record(1)])
    assert check_references(world.tables, ANALYSES[SIMILAR], ["0"], ["0", "1"]).problems == {}


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("reading_level", "reading_level", "grown-up"),
        ("genre_classification", "primary_genre", "epic"),
        ("content_summary", "content_warnings", ["boredom"]),
    ],
)
def test_a_value_that_the_analysis_does_not_know_is_found(world: World, name: str, column: str, value: object) -> None:
    rows = list(world.answers(name).values())
    rows[0][column] = value
    rewrite(world, name, rows)
    report = check_rows(world.tables, ANALYSES[name], [BUCKET])
    assert report.problems == {"unknown_value": 1}
    assert report.examples[0].startswith(f"unknown_value: {title_id(1)} has {column}")


def test_a_table_of_another_schema_is_found(world: World) -> None:
    rows = [{"manga_id": title_id(1), "level": "teen"}]
    rewrite(world, LEVEL, rows, pa.schema([("manga_id", pa.string()), ("level", pa.string())]))
    report = check_rows(world.tables, ANALYSES[LEVEL], [BUCKET])
    assert report.problems == {"schema": 1}
    assert report.examples[0].startswith(f"schema: bucket {BUCKET}: manga_id, reading_level, min_age,")


def test_a_null_where_none_may_be_is_found(world: World) -> None:
    rows = list(world.answers(LEVEL).values())
    rows[0]["reading_level"] = None
    rewrite(world, LEVEL, rows, pa.schema([field.with_nullable(True) for field in answer_schema(ANALYSES[LEVEL])]))
    assert check_rows(world.tables, ANALYSES[LEVEL], [BUCKET]).problems == {"schema": 1}


def test_a_column_too_many_is_found(world: World) -> None:
    schema = answer_schema(ANALYSES[LEVEL]).append(pa.field("extra", pa.string()))
    rewrite(world, LEVEL, list(world.answers(LEVEL).values()), schema)
    report = check_rows(world.tables, ANALYSES[LEVEL], [BUCKET])
    assert report.problems == {"schema": 1}
    assert "unexpected columns" in report.examples[0]


def test_only_a_few_examples_are_kept(world: World) -> None:
    rows = list(world.answers(LEVEL).values())
    rewrite(world, LEVEL, [row | {"manga_id": f"MNG-UNKNOWN{number}"} for number in range(9) for row in rows[:1]])
    report = check_rows(world.tables, ANALYSES[LEVEL], [BUCKET])
    assert (report.problems["unknown_id"], len(report.examples)) == (9, 5)


def test_coverage_is_the_answered_share_of_titles_with_enough_text(world: World) -> None:
    counts = outcome_facts(world.tables, LEVEL, [BUCKET, "no such bucket"]).standings
    assert counts == {"succeeded": 4, "insufficient_input": 1}
    assert coverage(counts) == 1.0
    assert coverage({"succeeded": 3, "failed": 1, "insufficient_input": 100}) == 0.75
    assert coverage({"insufficient_input": 5}) == 1.0
    assert outcome_summary(counts) == {"outcome_insufficient_input": 1, "outcome_succeeded": 4}
