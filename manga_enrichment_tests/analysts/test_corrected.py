"""Analysts get what editors say, by SQL and as a frame, and can count it."""

from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.analysts import load
from manga_enrichment.analysts.questions import questions
from manga_enrichment.analysts.session import open_session
from manga_enrichment.pipeline.editing.editing import Editing
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.analysts.eventful_world import eventful_world, put_on_disk
from manga_enrichment_tests.builders import title_id

FIRST, THIRD = title_id(1), title_id(3)
SIMILAR = [{"manga_id": title_id(5), "score": 0.5, "reason": "Both are bare."}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = eventful_world()
    editing = Editing(world.tables, ANALYSES, 1, world.clock)
    editing.correct(FIRST, "reading_level", "min_age", 9, by="ab", because="x")
    editing.correct(THIRD, "reading_level", "min_age", 17, by="ab", because="x")
    editing.correct(FIRST, "similar_series", "similar_titles", SIMILAR, by="ab", because="x")
    return put_on_disk(world.tables, tmp_path_factory.mktemp("tables"))


def asked(folder: Path, question: str) -> list[dict[str, Any]]:
    [text] = [each.path.read_text("utf-8") for each in questions() if each.path.stem == question]
    rows: list[dict[str, Any]] = open_session(folder).query(text).to_pylist()
    return rows


def test_a_frame_has_corrected_values_and_their_names(folder: Path) -> None:
    frame = load("enriched_catalog", folder=folder).set_index("manga_id")
    assert (frame.min_age[FIRST], frame.min_age[THIRD]) == (9, 17)
    assert (frame.corrected[FIRST], frame.corrected[THIRD]) == (["min_age", "similar_titles"], ["min_age"])
    assert frame.corrected[title_id(2)] is None


def test_what_was_corrected_is_counted_by_field(folder: Path) -> None:
    assert asked(folder, "corrected_fields") == [
        {"field": "min_age", "corrected": 2, "titles": 2, "share": 1.0},
        {"field": "similar_titles", "corrected": 1, "titles": 2, "share": 0.5},
    ]


def test_questions_about_similar_titles_take_an_editors_word(folder: Path) -> None:
    named = {row["manga_id"]: row["named_by"] for row in asked(folder, "similar_series_graph")}
    assert named[title_id(5)] == 1
