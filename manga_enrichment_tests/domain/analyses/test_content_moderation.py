"""Content moderation: quotes that are there and quotes that are not, and verdicts that go with what was found."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import TitleInputs
from manga_enrichment.domain.analyses.packaged.content_moderation import LOWEST_GATE
from manga_enrichment.domain.analyses.text import quotable
from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import NO_USAGE
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment.gateways.model import ModelReply
from manga_enrichment_tests.analyses import ANALYSES, FOR_PARTNERS, ON_REQUEST

ANALYSIS = ON_REQUEST["content_moderation"]
CATEGORY = ANALYSIS.output_schema["properties"]["categories"]["items"]["properties"]

SYNOPSIS = "A retired assassin is murdered in her <safe> house.\nHer daughter\thunts the killers — 「血みどろ」の復讐。"
RECORD = MangaRecord(
    manga_id="MNG-00000001",
    title="Nightfall",
    content_rating="R18",
    themes=("revenge", "family"),
    synopsis=SYNOPSIS,
)
INPUTS = title_inputs(ANALYSIS, RECORD, additional_context="A shop for schools asks.")


def moderation(*categories: dict[str, Any], verdict: str = "age_gate", age_gate: int = 16) -> dict[str, Any]:
    return {
        "categories": list(categories),
        "age_gate": age_gate,
        "verdict": verdict,
        "reasons": ["Killing is the subject of the story."],
        "confidence": 0.8,
    }


def category(
    quote: str, field: str = "synopsis", *, name: str = "violence", severity: str = "moderate"
) -> dict[str, Any]:
    return {"category": name, "severity": severity, "evidence": [{"field": field, "quote": quote}]}


def problems(answer: dict[str, Any], inputs: TitleInputs = INPUTS) -> list[str]:
    return answer_problems(ANALYSIS, answer, inputs)


# --- where it stands ----------------------------------------------------------------------------------------


def test_it_is_for_partners_alone() -> None:
    assert list(ON_REQUEST) == ["content_moderation"]
    assert not ANALYSES.keys() & ON_REQUEST.keys()
    assert list(FOR_PARTNERS) == [*ANALYSES, "content_moderation"]
    assert "content_moderation" not in ANALYSES["full_enrichment"].parts
    assert ANALYSIS.columns == ()


def test_it_shows_nothing_that_no_other_analysis_shows_so_that_no_content_hash_changes() -> None:
    assert set(ANALYSIS.fields) <= {field for analysis in ANALYSES.values() for field in analysis.fields}


# --- quotes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "quote"),
    [
        ("synopsis", "retired assassin is murdered"),
        ("synopsis", "in her <safe> house"),  # as the publisher wrote it
        ("synopsis", "in her ‹safe› house"),  # as the prompt shows it
        ("synopsis", "house.\n  Her daughter"),  # over an indented line
        ("synopsis", "house. Her daughter hunts"),
        ("synopsis", "「血みどろ」"),
        ("synopsis", "血みどろ"),
        ("content_rating", "R18"),  # short, but all there is
        ("themes", "revenge"),
        ("themes", "revenge; family"),
        ("additional_context", "A shop for schools"),
        ("title", "Nightfall"),
    ],
)
def test_words_of_the_input_are_evidence(field: str, quote: str) -> None:
    assert problems(moderation(category(quote, field))) == []


@pytest.mark.parametrize(
    ("field", "quote"),
    [
        ("synopsis", "a bloody massacre of children"),  # invented
        ("synopsis", "A retired assassin was murdered"),  # changed
        ("synopsis", "retired assassin … killers"),  # with an omission
        ("synopsis", "RETIRED ASSASSIN"),
        ("title", "retired assassin"),  # of another field
        ("demographics", "seinen"),  # of a field that the title does not have
        ("additional_context", "revenge"),
        ("synopsis", "MNG-00000001"),
    ],
)
def test_invented_evidence_is_a_problem_with_its_place(field: str, quote: str) -> None:
    [found] = problems(moderation(category(quote, field)))
    assert found.startswith("categories.0.evidence.0.quote: ")
    assert "does not have these words" in found


def test_one_invented_quote_among_true_ones_is_found() -> None:
    mixed = category("retired assassin")
    mixed["evidence"].append({"field": "synopsis", "quote": "she eats their hearts"})
    found = problems(moderation(category("R18", "content_rating", name="sexual_content"), mixed))
    assert [each.partition(":")[0] for each in found] == ["categories.1.evidence.1.quote"]


@pytest.mark.parametrize("quote", ["her", "血", "i", "."])
def test_what_stands_in_any_text_shows_nothing(quote: str) -> None:
    assert [each for each in problems(moderation(category(quote))) if "too short" in each]


def test_an_invisible_character_of_a_note_does_not_hide_its_words() -> None:
    inputs = title_inputs(ANALYSIS, RECORD, additional_context="It shows a sui\u200bcide in detail.")
    answer = moderation(category("a sui\u200bcide in", "additional_context", name="self_harm"))
    kept = ModelReply("tool_use", answer, NO_USAGE).answer
    assert kept is not None
    assert answer_problems(ANALYSIS, kept, inputs) == []


@given(st.text(max_size=300), st.data())
def test_whatever_part_of_a_prompt_is_copied_is_found_in_its_input(text: str, data: st.DataObject) -> None:
    inputs = title_inputs(ANALYSIS, MangaRecord(manga_id="MNG-00000002", title="T", synopsis=text))
    prompt = build_prompt(ANALYSIS, inputs, load_models().resolve("haiku")).user
    synopsis = prompt.partition("\nsynopsis: ")[2].partition("\n</title>")[0]
    start = data.draw(st.integers(0, len(synopsis)))
    copied = synopsis[start : data.draw(st.integers(start, len(synopsis)))]
    kept = ModelReply("tool_use", {"quote": copied}, NO_USAGE).answer
    assert kept is not None
    assert quotable(kept["quote"]) in quotable(inputs.fields.get("synopsis", ""))


# --- the verdict --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "verdict", "age_gate", "problem"),
    [
        ("mild", "allow", 0, None),
        ("mild", "age_gate", 12, None),
        ("mild", "allow", 12, "verdict: allow goes with an age_gate of 0"),
        ("mild", "age_gate", 0, "verdict: age_gate goes with an age_gate above 0"),
        ("moderate", "allow", 0, "age_gate: at least 12 with what the categories say"),
        ("moderate", "age_gate", 12, None),
        ("severe", "age_gate", 15, "age_gate: at least 16 with what the categories say"),
        ("severe", "age_gate", 16, None),
        ("severe", "review", 18, None),
        ("severe", "review", 0, "age_gate: at least 16 with what the categories say"),
    ],
)
def test_verdict_and_age_gate_go_with_the_severity(
    severity: str, verdict: str, age_gate: int, problem: str | None
) -> None:
    answer = moderation(category("is murdered", severity=severity), verdict=verdict, age_gate=age_gate)
    assert problems(answer) == ([problem] if problem else [])


@pytest.mark.parametrize("severity", list(LOWEST_GATE))
def test_minors_in_a_sexual_light_are_always_for_a_person(severity: str) -> None:
    found = category("is murdered", name="sexualised_minors", severity=severity)
    assert problems(moderation(found, age_gate=18)) == ["verdict: sexualised_minors is always for review"]
    assert problems(moderation(found, age_gate=18, verdict="review")) == []


def test_a_title_that_shows_nothing_is_allowed_with_a_reason() -> None:
    nothing = moderation(verdict="allow", age_gate=0)
    assert problems(nothing) == []
    assert problems({**nothing, "reasons": []})
    assert problems({**nothing, "reasons": ["\u3164"]})


def test_a_category_is_told_once() -> None:
    twice = moderation(category("is murdered"), category("the killers"))
    assert problems(twice) == ["categories: violence is there 2 times"]


def test_a_category_without_evidence_is_none() -> None:
    assert problems(moderation({"category": "violence", "severity": "mild", "evidence": []}))
    assert problems(moderation(category("is murdered", name="politics")))


def test_the_instructions_name_every_category_and_severity() -> None:
    assert all(f"  - {name}: " in ANALYSIS.instructions for name in CATEGORY["category"]["enum"])
    assert CATEGORY["severity"]["enum"] == list(LOWEST_GATE)
    assert all(severity in ANALYSIS.instructions for severity in LOWEST_GATE)


# --- enough to ask about ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "note", "enough"),
    [
        ({"synopsis": "x" * 40}, "", True),
        ({"synopsis": "x" * 39}, "", False),
        ({"synopsis": "血" * 20}, "", True),
        ({}, "n" * 40, True),
        ({}, "n" * 39, False),
        ({"content_rating": "R18"}, "", True),
        ({"themes": ("revenge",)}, "", True),
        ({"demographics": ("seinen",), "magazines": ("Big Comic",)}, "", False),
    ],
)
def test_enough_to_ask_about(fields: dict[str, Any], note: str, enough: bool) -> None:
    reason = ANALYSIS.sufficient(TitleInputs("MNG-00000001", fields, additional_context=note))
    assert (reason is None) is enough
