"""What the catalog says: every value counted, every field's fill, ten titles with their answers, what changed last."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from manga_enrichment.domain.tables.changes import ChangeKind
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.editing.editing import Editing
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.pipeline.report.catalog_facts import SAMPLES, CatalogFacts, look_at_catalog
from manga_enrichment.pipeline.report.catalog_page import (
    MOST_VALUES,
    bars_of,
    drift_table,
    full_fields,
    text_of,
    titles_of,
)
from manga_enrichment.pipeline.report.links import Links
from manga_enrichment.pipeline.report.page import report_html
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, World, bare_record, put_catalog, record
from manga_enrichment_tests.fakes import MemoryTables, ScriptedModel
from manga_enrichment_tests.pipeline.report.test_problems import CALM

TODAY = date(2026, 1, 15)
HOSTILE = "<script>alert(1)</script>"
TITLES = [*(record(number) for number in range(1, 20)), record(20, title=HOSTILE), bare_record(21)]


def enriched(world: World) -> None:
    write_enriched(world.tables, BUCKET, list(ANALYSES.values()), Origin("run-1", world.clock.now()))


def look(world: World, today: date = TODAY) -> CatalogFacts:
    return look_at_catalog(world.tables, ANALYSES.values(), [BUCKET], today)


@pytest.fixture(scope="module")
def world() -> World:
    world = World()
    put_catalog(world.tables, TITLES)
    world.model = ScriptedModel(world.clock)
    world.run()
    enriched(world)
    return world


def test_every_value_is_counted_and_a_list_counts_for_each_of_its_own(world: World) -> None:
    facts = look(world)
    rows = world.rows(f"enrichment/enriched_catalog/bucket={BUCKET}/part.parquet")
    assert facts.titles == len(rows) == 21
    found = {values.column: values for values in facts.values}
    assert {"demographics", "primary_genre", "story_themes", "reading_level", "languages"} <= set(found)
    for name in ("primary_genre", "reading_level", "reading_level_basis"):
        expected = [row[name] for row in rows if row[name] is not None]
        assert found[name].counts.total() == found[name].with_any == len(expected) == 20
    themes = [theme for row in rows for theme in row["story_themes"] or ()]
    assert found["story_themes"].counts.total() == len(themes) > 0


def test_readers_are_counted_under_one_name_in_whichever_language_a_source_names_them() -> None:
    world = World()
    named = [("shounen",), ("Shonen",), ("少年",), ("josei", "女性")]
    put_catalog(world.tables, [record(number, demographics=names) for number, names in enumerate(named, 1)])
    enriched(world)
    [values] = [each for each in look(world).values if each.column == "demographics"]
    assert values.counts == {"shounen": 3, "josei": 2}


def test_how_full_each_field_is_counts_no_null_no_empty_list_and_no_empty_text(world: World) -> None:
    facts = look(world)
    rows = world.rows(f"enrichment/enriched_catalog/bucket={BUCKET}/part.parquet")
    assert {name: sum(row[name] not in (None, [], "") for row in rows) for name in facts.filled} == facts.filled
    assert 0 < facts.filled["summary_en"] < facts.filled["title"] == 21
    bars = full_fields(facts).bars
    assert [bar.part for bar in bars] == sorted(bar.part for bar in bars), "the emptiest first"


def test_corrected_titles_are_counted_and_that_column_is_no_field_to_be_filled() -> None:
    world = World()
    put_catalog(world.tables, TITLES[:3])
    world.run()
    enriched(world)
    before = full_fields(look(world))
    assert before.says == "of 3 titles, the emptiest first"
    editing = Editing(world.tables, ANALYSES, 1, world.clock)
    editing.correct(TITLES[0].manga_id, "reading_level", "min_age", 9, by="ab", because="x")
    editing.correct(TITLES[0].manga_id, "reading_level", "reading_level", "kids", by="ab", because="x")
    shown = full_fields(look(world))
    assert shown.says == "of 3 titles, the emptiest first; editors corrected answers of 1"
    assert shown.bars == before.bars
    assert "corrected" not in [each.name for each in shown.bars]


def test_ten_titles_are_drawn_with_their_answers_others_the_next_day(world: World) -> None:
    first, again, later = look(world), look(world), look(world, date(2026, 1, 16))
    assert len({sample.manga_id for sample in first.samples}) == SAMPLES
    assert first.samples == again.samples
    assert first.samples != later.samples
    answered = [sample for sample in first.samples if sample.answers]
    assert len(answered) >= SAMPLES - 1
    assert all(sample.answers["similar_titles"][0].startswith("The ") for sample in answered), "named, not by their ids"


def test_drift_is_what_the_last_day_with_changes_changed() -> None:
    world = World()
    put_catalog(world.tables, TITLES[:5])
    world.run()
    enriched(world)
    first = look(world).drift
    assert first is not None
    assert (first.day, first.titles, first.fields.total()) == ("2026-01-15", {ChangeKind.ADDED: 5}, 0)
    world.clock.advance(86_400)
    put_catalog(world.tables, [record(1, title="Another name"), *TITLES[1:4]])
    enriched(world)
    facts = look(world, world.clock.now().date())
    assert facts.drift is not None
    assert (facts.drift.day, facts.drift.titles) == ("2026-01-16", {ChangeKind.REMOVED: 1})
    assert facts.drift.fields["title"] == 1
    table = drift_table(facts)
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows][:2] == [["titles removed", "1"], ["title", "1"]]


def test_the_page_shows_it_and_texts_of_others_stay_texts(world: World) -> None:
    facts = look(world)
    hostile = replace(facts.samples[0], title=HOSTILE, answers={"summary_en": HOSTILE})
    page = report_html(replace(CALM, catalog=replace(facts, samples=[hostile])), Links("", "https://browse.example"))
    assert "What the catalog says" in page
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert f'href="https://browse.example/titles/{hostile.manga_id}"' in page
    for values in facts.values:
        assert f"<h3>{values.column.replace('_', ' ')}</h3>" in page
    assert re.search(r"--part: 0\.9524", page), "a bar is as long as its part of all titles"


def test_rare_values_are_counted_and_not_shown(world: World) -> None:
    [values] = [each for each in look(world).values if each.column == "primary_genre"]
    values.counts.update({f"genre_{number}": 1 for number in range(MOST_VALUES)})
    [bars] = bars_of(CatalogFacts(titles=40, values=[values]))
    assert len(bars.bars) == MOST_VALUES
    assert bars.says.endswith("; 1 rarer ones are not shown")


def test_without_a_wide_table_nothing_is_said() -> None:
    facts = look_at_catalog(MemoryTables(), ANALYSES.values(), [BUCKET], datetime(2026, 1, 15, tzinfo=UTC).date())
    assert (facts.titles, facts.samples, facts.drift) == (0, [], None)
    assert "What the catalog says" not in report_html(replace(CALM, catalog=facts))


def test_an_answer_is_written_in_words_on_one_line() -> None:
    assert text_of(["a", {"genre": "drama", "confidence": 0.9, "none": None}]) == "a, drama 0.90"
    assert (text_of(True), text_of(12), text_of("two\nlines\x1b[2J")) == ("yes", "12", "two lines [2J")
    assert titles_of(CatalogFacts(), Links()) == []
