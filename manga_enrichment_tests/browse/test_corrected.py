"""Readers of the pages get what editors say: on a title's page, in lists and in SQL, beside what the model said."""

from pathlib import Path

import pytest

from manga_enrichment.pipeline.editing.editing import Editing
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.browse_world import NAMES, Site, eventful_world, put_on_disk
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import FakeClock, MemoryTables

TITLE = title_id(1)
SUMMARY = "Rowers <b>and</b> a lighthouse."


@pytest.fixture
def tables() -> MemoryTables:
    return eventful_world().tables


@pytest.fixture
def editing(tables: MemoryTables) -> Editing:
    return Editing(tables, {name: ANALYSES[name] for name in NAMES}, 1, FakeClock())


def test_a_correction_is_on_the_page_with_the_next_look_and_gone_when_taken_back(
    tables: MemoryTables, editing: Editing, tmp_path: Path
) -> None:
    folder = put_on_disk(tables, tmp_path)
    site = Site(folder, tmp_path / "home")
    site.shelf.refresh()
    models = str(site.get(f"/titles/{TITLE}").text)
    assert "The model said" not in models
    editing.correct(TITLE, "content_summary", "summary_en", SUMMARY, by="ab", because="it rows")
    editing.correct(TITLE, "reading_level", "reading_level", "mature", by="ab", because="it rows")
    put_on_disk(tables, tmp_path)
    site.clock.advance(3600)
    site.shelf.refresh()
    page = site.get(f"/titles/{TITLE}").text
    assert "<bdi>Rowers &lt;b&gt;and&lt;/b&gt; a lighthouse.</bdi>" in page
    assert page.count('<span class="plain">corrected</span>') == 2
    assert "The model said: <bdi>teen</bdi>" in page
    assert "none: an editor" in page
    assert "/runs/correction" not in page
    assert TITLE in site.get("/?level=mature").text
    assert TITLE not in site.get("/?level=teen").text
    assert "corrected" not in site.get(f"/titles/{title_id(3)}").text
    for analysis, field in (("content_summary", "summary_en"), ("reading_level", "reading_level")):
        editing.take_back(TITLE, analysis, field, by="ab", because="it does not")
    put_on_disk(tables, tmp_path)
    site.clock.advance(3600)
    site.shelf.refresh()
    assert "The model said" not in site.get(f"/titles/{TITLE}").text
    assert TITLE in site.get("/?level=teen").text


def test_similar_titles_are_those_that_an_editor_names(tables: MemoryTables, editing: Editing, tmp_path: Path) -> None:
    said = [{"manga_id": title_id(5), "score": 0.5, "reason": "Both are bare."}]
    editing.correct(TITLE, "similar_series", "similar_titles", said, by="ab", because="better")
    site = Site(put_on_disk(tables, tmp_path), tmp_path / "home")
    site.shelf.refresh()
    page = site.get(f"/titles/{TITLE}").text
    assert page.count('<ol class="likes">') == 1
    assert "Both are bare." in page
    assert page.count('<span class="plain">corrected</span>') == 1
    assert f'href="/titles/{TITLE}"' in site.get(f"/titles/{title_id(5)}").text
