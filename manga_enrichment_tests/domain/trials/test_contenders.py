"""What can be tried, from which document, and what is said of one that cannot."""

from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.domain.trials.contenders import TODAY, Contender, TrialError, check_contenders, narrowings
from manga_enrichment.domain.trials.documents import candidate_analysis
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import MODELS, record

LEVEL = ANALYSES["reading_level"]
HAIKU, SONNET = MODELS.resolve("haiku"), MODELS.resolve("sonnet")
NOW = Contender(TODAY, LEVEL, HAIKU)
INPUTS = title_inputs(LEVEL, record())
SCHEMA: dict[str, Any] = dict(LEVEL.output_schema)


def with_property(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {**SCHEMA, "properties": {**SCHEMA["properties"], name: schema}}


def without(name: str) -> dict[str, Any]:
    return {**SCHEMA, "properties": {key: value for key, value in SCHEMA["properties"].items() if key != name}}


def test_another_model_another_prompt_and_both_can_be_tried() -> None:
    prompt = replace(LEVEL, version="2")
    check_contenders(
        NOW, [Contender("a", LEVEL, SONNET), Contender("b", prompt, HAIKU), Contender("c", prompt, SONNET)]
    )


@pytest.mark.parametrize(
    ("contenders", "said"),
    [
        ([], "Nothing to try"),
        ([Contender("a", LEVEL, HAIKU)], "a is what today is: version 1 of reading_level"),
        ([Contender("a", LEVEL, SONNET), Contender("b", LEVEL, SONNET)], "b is what a is"),
        ([Contender("a", LEVEL, SONNET), Contender("a", replace(LEVEL, version="2"), SONNET)], "Two .* called a"),
        ([Contender("today", LEVEL, SONNET)], "Two contenders are called today"),
    ],
)
def test_what_is_no_contest_is_refused(contenders: list[Contender], said: str) -> None:
    with pytest.raises(TrialError, match=said):
        check_contenders(NOW, contenders)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (
            with_property("level", {"type": "string", "enum": ["kids", "teen"]}),
            "answer.level no longer allows adult, mature",
        ),
        (without("basis"), "answer no longer has basis"),
        ({**SCHEMA, "required": ["level"]}, "answer no longer requires min_age"),
        (with_property("min_age", {"type": "string"}), "answer.min_age is no longer of type integer"),
    ],
)
def test_a_schema_that_narrows_is_refused_and_says_where(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(TrialError, match=f"a narrows the answer: {said}; answers of today would not fit"):
        check_contenders(NOW, [Contender("a", replace(LEVEL, version="2", output_schema=schema), HAIKU)])


def test_items_of_lists_are_looked_at_and_bounds_may_change() -> None:
    genres = ANALYSES["genre_classification"].output_schema
    fewer = {"properties": {"genres": {"type": "array", "items": {"properties": {"genre": {"enum": ["drama"]}}}}}}
    found = list(narrowings({"properties": {"genres": genres["properties"]["genres"]}}, fewer, "answer"))
    assert any(each.startswith("answer.genres[].genre no longer allows action") for each in found)
    assert list(narrowings({"type": "string", "maxLength": 600}, {"type": "string", "maxLength": 300}, "x")) == []
    wider = with_property("level", {"type": "string", "enum": ["kids", "teen", "adult", "mature", "all"]})
    assert list(narrowings(SCHEMA, wider, "answer")) == []


def document(*changes: tuple[str, str]) -> str:
    """The packaged document, with texts in it exchanged."""
    text = files("manga_enrichment.domain.analyses.packaged").joinpath("reading_level.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


UNVERSIONED = ('version = "1"\n', "")


def test_a_document_makes_a_contender_whose_version_is_the_hash_of_what_the_model_reads() -> None:
    text = document(UNVERSIONED, ("suitability is", "age is"))
    found = candidate_analysis(text, "by_age.toml", LEVEL, ANALYSES)
    assert "age is" in found.instructions
    assert (found.columns, found.output_schema) == (LEVEL.columns, LEVEL.output_schema)
    assert found.check({"level": "kids", "min_age": 18, "basis": "synopsis", "confidence": 1}, INPUTS), "rules stay"
    assert found.version not in ("", LEVEL.version)
    assert found.version == candidate_analysis(text, "again.toml", LEVEL, ANALYSES).version
    assert candidate_analysis(document(UNVERSIONED), "c.toml", LEVEL, ANALYSES).version != found.version
    numbered = document(('version = "1"', 'version = "7"'), ("suitability is", "age is"))
    assert candidate_analysis(numbered, "c.toml", LEVEL, ANALYSES).version == "7"
    check_contenders(NOW, [Contender("by_age", found, HAIKU)])


def test_a_combined_analysis_is_tried_with_its_parts() -> None:
    text = files("manga_enrichment.domain.analyses.packaged").joinpath("full_enrichment.toml").read_text("utf-8")
    full = ANALYSES["full_enrichment"]
    found = candidate_analysis(text.replace("once and", "twice and").replace(*UNVERSIONED), "c.toml", full, ANALYSES)
    assert found.parts == full.parts
    assert found.version.endswith("-1-1-1-1")
    assert found.version != full.version


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([("name =", "name ")], "c.toml cannot be tried as reading_level: c.toml is not TOML"),
        ([('name = "reading_level"', 'name = "cover_mood"')], "cannot be tried as reading_level: .*name 'cover_mood'"),
        ([('"themes", "synopsis",', '"themes", "plot",')], "c.toml: .*'?plot'? is no field of a title; choose among"),
        ([("suitability is", "age is")], "c.toml says another thing under today's version '1': give it another"),
        ([('"themes", "synopsis",', '"synopsis",')], "another thing under today's version '1'"),
        ([("max_tokens = 200", "max_tokens = 300")], "another thing under today's version '1'"),
    ],
)
def test_a_document_with_a_fault_is_refused_and_says_which(changes: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(TrialError, match=said):
        candidate_analysis(document(*changes), "c.toml", LEVEL, ANALYSES)
