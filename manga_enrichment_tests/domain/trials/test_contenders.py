"""What can be tried, from which document, and what is said of one that cannot."""

from dataclasses import replace
from typing import Any

import pytest

from manga_enrichment.domain.analyses import ANALYSES
from manga_enrichment.domain.trials.contenders import TODAY, Contender, TrialError, check_contenders, narrowings
from manga_enrichment.domain.trials.documents import candidate_analysis
from manga_enrichment_tests.builders import MODELS

LEVEL = ANALYSES["reading_level"]
HAIKU, SONNET = MODELS.resolve("haiku"), MODELS.resolve("sonnet")
NOW = Contender(TODAY, LEVEL, HAIKU)
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


def test_a_document_changes_what_it_names_and_its_version_is_the_hash_of_what_the_model_reads() -> None:
    text = 'name = "reading_level"\ninstructions = "Judge by the cover."\nmodel = "sonnet"\ntemperature = 0'
    found = candidate_analysis(text, "cover.toml", LEVEL)
    assert (found.instructions, found.model_alias, found.temperature) == ("Judge by the cover.", "sonnet", 0.0)
    assert (found.fields, found.output_schema, found.columns) == (LEVEL.fields, LEVEL.output_schema, LEVEL.columns)
    assert found.version not in ("", LEVEL.version)
    assert found.version == candidate_analysis(text, "again.toml", LEVEL).version
    other = candidate_analysis(text.replace("cover", "title"), "cover.toml", LEVEL)
    assert other.version != found.version
    assert candidate_analysis(f'{text}\nversion = "7"', "cover.toml", LEVEL).version == "7"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name =", "c.toml is not TOML"),
        (
            'name = "genre_classification"',
            "c.toml is of the analysis 'genre_classification', and 'reading_level' is tried",
        ),
        (
            'name = "reading_level"\ninstruction = "x"',
            "c.toml: instruction is no key of a candidate; the keys are name",
        ),
        ('name = "reading_level"\ninstructions = ""', "instructions must be a text in quotes that says something"),
        ('name = "reading_level"\nanswer = "x"', "answer must be a JSON Schema as a table"),
        ('name = "reading_level"\ntemperature = "x"', "temperature must be a number"),
        ('name = "reading_level"\nversion = "1"\ninstructions = "x"', "another thing under today's version '1'"),
    ],
)
def test_a_document_with_a_fault_is_refused_and_says_which(text: str, said: str) -> None:
    with pytest.raises(TrialError, match=said):
        candidate_analysis(text, "c.toml", LEVEL)
