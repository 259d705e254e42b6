"""The wide table has one row per title, whatever was answered."""

from dataclasses import replace
from json import JSONDecodeError
from typing import Any

import pyarrow as pa
import pytest

from manga_enrichment.domain.labels.labels import Label, LabelKind
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.pipeline.enrichment.previews import some_enriched
from manga_enrichment.pipeline.enrichment.wide_table import JOINED_AT_ONCE, TABLE, enriched_columns, write_enriched
from manga_enrichment.pipeline.labels.store import LABEL_SCHEMA, add_labels
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.object_keys import labels_key, table_key
from manga_enrichment.pipeline.store.rows import answer_row, answer_schema
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    BUCKET,
    ORIGIN,
    SINGLES,
    World,
    bare_record,
    catalog_table,
    entry,
    put_catalog,
    record,
    title_id,
)
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.pipeline.enrichment.test_write_reads import seen_by, watched_world

TITLES = [record(1), record(2), record(3), record(4), bare_record(5)]
ALL = list(ANALYSES.values())


def enriched_world() -> World:
    world = World()
    put_catalog(world.tables, TITLES)
    world.model = ScriptedModel(world.clock, {title_id(2): [ErrorClass.REFUSAL] * 2})
    world.run()
    return world


def test_every_title_has_one_row_and_what_was_not_answered_is_null() -> None:
    world = enriched_world()
    report = write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    rows = world.rows(table_key(TABLE, BUCKET))
    assert [row["manga_id"] for row in rows] == [title.manga_id for title in TITLES]
    assert (report.rows, report.answered) == (5, dict.fromkeys(SINGLES, 3))
    by_id = {row["manga_id"]: row for row in rows}
    for name in SINGLES:
        column = f"{name}_answered_at"
        assert {manga_id for manga_id, row in by_id.items() if row[column] is None} == {title_id(2), title_id(5)}
    assert by_id[title_id(1)]["reading_level"] == "teen"
    assert by_id[title_id(1)]["similar_titles"][0]["manga_id"] in by_id


def test_its_tables_are_read_once_and_its_preview_is_of_what_was_written() -> None:
    world = watched_world()
    world.run()
    seen_by(world).clear()
    report = write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    shown = some_enriched(world.tables, BUCKET, ALL, report.first)
    read = [key for key in seen_by(world) if key.startswith("enrichment/")]
    names = ["similar_candidates"] if world.tables.open(table_key("similar_candidates", BUCKET)) else []
    assert sorted(read) == sorted(table_key(name, BUCKET) for name in (TABLE, "catalog", *SINGLES, *names))
    rows = world.rows(table_key(TABLE, BUCKET))
    assert [row["title"] for row in shown] == [row["title"] for row in rows][:5]
    assert [row["reading_level"] for row in shown] == [row["reading_level"] for row in rows][:5]


def test_before_anything_was_answered_the_table_is_the_catalog_with_nulls() -> None:
    world = World()
    put_catalog(world.tables, TITLES)
    report = write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    assert report.answered == dict.fromkeys(SINGLES, 0)
    stored = world.tables.read(table_key(TABLE, BUCKET))
    assert stored is not None
    assert stored.table.schema.equals(arrow_schema(enriched_columns(ALL)))
    assert stored.table.column("reading_level").null_count == 5


def test_the_schema_is_the_same_with_and_without_answers() -> None:
    world = enriched_world()
    write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    stored = world.tables.read(table_key(TABLE, BUCKET))
    assert stored is not None
    assert stored.table.schema.equals(arrow_schema(enriched_columns(ALL)))


def test_writing_again_gives_the_same_object() -> None:
    world = enriched_world()
    write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    before = world.tables.objects[table_key(TABLE, BUCKET)]
    write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    assert world.tables.objects[table_key(TABLE, BUCKET)] == before


def test_column_names_of_all_analyses_are_told_apart() -> None:
    names = [column.name for column in enriched_columns(ALL)]
    assert len(set(names)) == len(names)


def test_an_analysis_with_other_columns_than_when_its_rows_were_written_is_joined_all_the_same() -> None:
    """As when a document of one's own gets another schema: its rows are written anew one bucket at a time."""
    world = enriched_world()
    write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    level = ANALYSES["reading_level"]
    columns = (level.columns[0], Column("min_age", "string", "In words."), Column("mood", "string", "One more."))
    other = replace(level, columns=columns)
    now = [other if each is level else each for each in ALL]
    report = write_enriched(world.tables, BUCKET, now, ORIGIN)
    stored = world.tables.read(table_key(TABLE, BUCKET))
    assert stored is not None
    assert stored.table.schema.equals(arrow_schema(enriched_columns(now)))
    assert report.answered["reading_level"] == 3
    assert set(stored.table.column("reading_level").to_pylist()) == {"teen", None}
    assert stored.table.column("mood").null_count == 5
    assert set(stored.table.column("min_age").to_pylist()) == {"12", None}


def test_a_bucket_of_more_titles_than_are_joined_at_once_is_one_table() -> None:
    world = World()
    titles = [bare_record(number) for number in range(1, JOINED_AT_ONCE + 100)]
    world.tables.write(table_key("catalog", BUCKET), catalog_table((each, "hash") for each in titles))
    answered = [entry("reading_level", titles[place]) for place in (0, JOINED_AT_ONCE - 1, JOINED_AT_ONCE, -1)]
    level = ANALYSES["reading_level"]
    rows = sorted((answer_row(level, each) for each in answered), key=lambda row: str(row["manga_id"]))
    table = pa.Table.from_pylist(rows, schema=answer_schema(level))
    world.tables.write(table_key("reading_level", BUCKET), table)
    report = write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    assert (report.rows, report.answered["reading_level"]) == (len(titles), 4)
    wide = {row["manga_id"]: row["reading_level"] for row in world.rows(table_key(TABLE, BUCKET))}
    assert list(wide) == [each.manga_id for each in titles]
    assert {each for each, level in wide.items() if level} == {row["manga_id"] for row in rows}


def correct(world: World, number: int, analysis: str, field: str, value: Any) -> None:
    """Say it; an editor's own check of the value is passed by."""
    said = Label(title_id(number), analysis, field, value, "ab", world.clock.now(), "seen", LabelKind.CORRECTION)
    add_labels(world.tables, [said])
    world.clock.advance(1)


def test_corrections_win_and_are_named() -> None:
    world = enriched_world()
    write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    before = {row["manga_id"]: row for row in world.rows(table_key(TABLE, BUCKET))}
    genres = [{"genre": "war", "confidence": 1.0}]
    similar = [{"manga_id": title_id(4), "score": 0.5, "reason": "By eye."}]
    correct(world, 1, "reading_level", "min_age", 17)
    correct(world, 1, "genre_classification", "genres", genres)
    correct(world, 3, "similar_series", "similar_titles", similar)
    correct(world, 3, "content_summary", "summary_en", "Said by a person.")
    report = write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    after = {row["manga_id"]: row for row in world.rows(table_key(TABLE, BUCKET))}
    first = before[title_id(1)] | {"min_age": 17, "genres": genres, "corrected": ["genres", "min_age"]}
    third = {
        "similar_titles": similar,
        "summary_en": "Said by a person.",
        "corrected": ["similar_titles", "summary_en"],
    }
    assert before[title_id(1)]["corrected"] is None
    assert after == before | {title_id(1): first, title_id(3): before[title_id(3)] | third}
    assert (report.corrected, report.changes.titles["changed"]) == (2, 2)
    assert world.answers("reading_level")[title_id(1)]["min_age"] == before[title_id(1)]["min_age"]


def test_a_correction_waits_for_an_answer_and_for_a_schema_that_takes_it() -> None:
    world = enriched_world()
    correct(world, 2, "reading_level", "reading_level", "mature")  # the model refused to answer
    correct(world, 1, "reading_level", "reading_level", "toddlers")
    correct(world, 99, "reading_level", "reading_level", "mature")  # it left the catalog
    report = write_enriched(world.tables, BUCKET, ALL, ORIGIN)
    rows = {row["manga_id"]: row for row in world.rows(table_key(TABLE, BUCKET))}
    assert (report.corrected, rows[title_id(1)]["reading_level"], rows[title_id(2)]["reading_level"]) == (
        0,
        "teen",
        None,
    )
    world.model = ScriptedModel(world.clock)
    world.run("run-2")
    assert write_enriched(world.tables, BUCKET, ALL, ORIGIN).corrected == 1
    rows = {row["manga_id"]: row for row in world.rows(table_key(TABLE, BUCKET))}
    assert (rows[title_id(2)]["reading_level"], rows[title_id(2)]["corrected"]) == ("mature", ["reading_level"])


def test_corrections_of_other_buckets_are_passed_over_unread() -> None:
    world = enriched_world()
    correct(world, 1, "reading_level", "min_age", 17)
    correct(world, 99, "reading_level", "min_age", 16)
    key = labels_key("reading_level")
    rows = [row | ({"value": "{"} if row["manga_id"] == title_id(99) else {}) for row in world.rows(key)]
    world.tables.write(key, pa.Table.from_pylist(rows, schema=LABEL_SCHEMA))
    assert write_enriched(world.tables, BUCKET, ALL, ORIGIN).corrected == 1
    put_catalog(world.tables, [*TITLES, record(99)])
    with pytest.raises(JSONDecodeError):
        write_enriched(world.tables, BUCKET, ALL, ORIGIN)
