"""All text that is sent is counted, whatever its language, and too much of it is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.operations.quota_lanes import batch_models
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment.domain.prompts.prompt_tokens import estimate_prompt
from manga_enrichment.domain.prompts.tokens import estimate_tokens
from manga_enrichment.domain.requests.cost_guard import (
    TOKEN_GUARDS,
    RequestTokens,
    guard_problems,
    prompt_overhead,
    request_tokens,
    tokens_left,
)
from manga_enrichment.domain.requests.problems import Code
from manga_enrichment.domain.requests.reading.json_shape import read_shape
from manga_enrichment_tests.analyses import ANALYSES, FOR_PARTNERS
from manga_enrichment_tests.request_bodies import ANY_JSON, body_with, nearly_valid, valid_body

SAMPLE = Path(__file__).resolve().parents[3] / "data" / "catalog" / "sample.jsonl"
JAPANESE = "灯台守は夜ごと海に物語を読み聞かせる。"


def estimates(schema: str, body: Any) -> list[RequestTokens]:
    return request_tokens(schema, body, read_shape(body).texts, FOR_PARTNERS)


def tokens(schema: str, body: Any) -> int:
    return sum(each.input_tokens for each in estimates(schema, body))


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ("batch_analysis", ("items", 1, "additional_context")),
        ("manga_query", ("query",)),
        ("manga_query", ("context", "previous_manga", 0)),
        ("streaming_chat", ("messages", 0, "content")),
        ("streaming_chat", ("messages", 1, "content")),
    ],
)
@pytest.mark.parametrize("text", [JAPANESE * 8, "A lighthouse keeper reads to the sea. " * 8])
def test_every_text_that_is_sent_counts_by_its_own_language(
    schema: str, place: tuple[str | int, ...], text: str
) -> None:
    grown = tokens(schema, body_with(schema, place, text)) - tokens(schema, body_with(schema, place, ""))
    assert grown == estimate_tokens(text)


@pytest.mark.parametrize("place", [("context", "user_id"), ("context", "session_id"), ("conversation_id",)])
def test_what_is_not_sent_does_not_count(place: tuple[str, ...]) -> None:
    assert tokens("manga_query", body_with("manga_query", place, "a" * 60)) == tokens(
        "manga_query", valid_body("manga_query")
    )


def test_the_language_a_request_claims_does_not_make_it_cheaper() -> None:
    claims = {tokens("manga_query", {"query": JAPANESE, "language": language}) for language in ("en", "ja", "auto")}
    assert len(claims) == 1


def test_a_batch_is_one_call_per_item_with_the_overhead_of_its_analysis() -> None:
    first, second = estimates("batch_analysis", valid_body("batch_analysis"))
    assert (first.location, second.location) == (("items", 0), ("items", 1))
    assert second.input_tokens == prompt_overhead(FOR_PARTNERS["reading_level"])
    assert first.input_tokens > prompt_overhead(FOR_PARTNERS["full_enrichment"])
    assert first.model == ANALYSES["full_enrichment"].model_alias


def test_a_chat_without_a_model_is_priced_by_its_own_default() -> None:
    assert estimates("streaming_chat", {"messages": []})[0].model == "sonnet"
    assert estimates("manga_query", {"query": "a"})[0].model == "haiku"


@pytest.mark.parametrize("model", ["opus", 5, None, [], {}])
def test_an_impossible_model_is_priced_by_the_default(model: object) -> None:
    assert estimates("manga_query", {"query": "a", "model": model})[0].model == "haiku"


@pytest.mark.parametrize("model", sorted(TOKEN_GUARDS))
def test_the_guard_is_the_last_number_allowed_and_warns_from_four_fifths(model: str) -> None:
    guard = TOKEN_GUARDS[model]

    def found(count: int) -> list[Code]:
        return [each.code for each in guard_problems([RequestTokens((), model, count)])]

    assert found(guard * 8 // 10 - 1) == []
    assert found(guard * 8 // 10) == [Code.TOKEN_LIMIT_WARNING]
    assert found(guard) == [Code.TOKEN_LIMIT_WARNING]
    assert found(guard + 1) == [Code.TOKEN_LIMIT_EXCEEDED]


def test_the_guards_are_those_of_the_requirements() -> None:
    assert dict(TOKEN_GUARDS) == {"sonnet": 8_000, "haiku": 16_000}


def test_a_model_without_a_guard_gets_the_strictest() -> None:
    (found,) = guard_problems([RequestTokens((), "some-new-alias", 8_001)])
    assert found.code is Code.TOKEN_LIMIT_EXCEEDED


def test_the_guard_of_a_batch_names_the_item() -> None:
    body = valid_body("batch_analysis")
    guards = {"haiku": prompt_overhead(FOR_PARTNERS["full_enrichment"])}
    (found,) = guard_problems(estimates("batch_analysis", body), guards)
    assert (found.path, found.code) == ("items.0", Code.TOKEN_LIMIT_EXCEEDED)


def test_no_valid_item_is_over_the_guard_so_notes_of_any_language_are_welcome() -> None:
    for analysis in ANALYSES:
        item = {"manga_id": "MNG-ABCD1234", "analysis_type": analysis, "additional_context": "漢" * 2000}
        assert guard_problems(estimates("batch_analysis", {"items": [item]})) == []


@pytest.mark.parametrize("note", ["", "<" * 2000, JAPANESE * 10, "See </title> & more. " * 20])
@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_the_estimate_covers_the_prompt_that_is_sent_for_a_typical_title(name: str, note: str) -> None:
    analysis, model = ANALYSES[name], load_models().resolve("haiku")
    candidates = [Candidate(f"MNG-{number:08}", "A Title", "comedy; " + "x" * 120) for number in range(20)]
    records = [clean_row(json.loads(line), 1) for line in SAMPLE.read_text("utf-8").splitlines()[::10]]
    typical = [record for record in records if isinstance(record, MangaRecord)]
    item = {"manga_id": "MNG-ABCD1234", "analysis_type": name, "additional_context": note}
    (estimate,) = estimates("batch_analysis", {"items": [item]})
    covered = [
        estimate.input_tokens
        >= estimate_prompt(build_prompt(analysis, title_inputs(analysis, record, candidates, note), model))
        for record in typical
    ]
    assert sum(covered) >= 0.9 * len(covered)


@given(st.sampled_from(["batch_analysis", "manga_query", "streaming_chat"]), ANY_JSON)
def test_any_body_gets_an_estimate(schema: str, body: Any) -> None:
    assert tokens(schema, body) >= 0


@given(nearly_valid())
def test_a_broken_body_gets_an_estimate_too(case: tuple[str, Any]) -> None:
    assert tokens(*case) >= 0


@pytest.mark.parametrize("schema", ["manga_query", "streaming_chat"])
def test_what_a_conversation_leaves_is_what_it_does_not_take(schema: str) -> None:
    body = {**valid_body(schema), "model": "haiku"}
    assert tokens_left(schema, body) == TOKEN_GUARDS["haiku"] - tokens(schema, body)
    place = ("query",) if schema == "manga_query" else ("messages", 0, "content")
    assert tokens_left(schema, body_with(schema, place, JAPANESE * 2_000)) == 0


@pytest.mark.parametrize(("priority", "more", "model"), [("low", {}, "sonnet"), ("low", {"model": "haiku"}, "haiku")])
def test_a_batch_is_guarded_by_the_model_that_its_lane_asks(priority: str, more: dict[str, str], model: str) -> None:
    alias_of = batch_models(load_models(by_lane={"low": {"reading_level": "sonnet"}}))
    item = {"manga_id": "MNG-AAAAAAAA", "analysis_type": "reading_level"}
    for asked, expected in ((priority, model), ("normal", more.get("model", "haiku"))):
        body = {"items": [item], "priority": asked, **more}
        (estimate,) = request_tokens("batch_analysis", body, read_shape(body).texts, FOR_PARTNERS, alias_of)
        assert estimate.model == expected
