"""Files of models: one sentence a fault, profiles that rest on their base, rows made from a price table."""

import json
import tomllib
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.loading import FAMILIES_FILE, load_models, packaged_models
from manga_enrichment.domain.models.price_tables import row_as_toml, row_from_litellm
from manga_enrichment.domain.models.rows import MissingPriceError, ModelRowsError, parse_rows
from manga_enrichment.domain.models.specs import AnswersBy, UnknownModelError, base_id

TABLE: dict[str, Any] = json.loads((Path(__file__).parent / "litellm_excerpt.json").read_text("utf-8"))
SOURCE = "litellm 1.110.2, read on 2026-11-28"
ROW = 'id = "x.y"\ninput = 1\noutput = 2\nmax_input_tokens = 10\nmax_output_tokens = 5\n'


def packaged_rows() -> dict[str, dict[str, Any]]:
    text = files("manga_enrichment.domain.models").joinpath(FAMILIES_FILE).read_text("utf-8")
    return {row["id"]: row for row in tomllib.loads(text)["model"]}


@pytest.mark.parametrize("model_id", packaged_rows())
def test_every_packaged_row_is_what_the_price_table_says(model_id: str) -> None:
    is_profile = base_id(model_id) != model_id
    made = row_from_litellm(TABLE, model_id, SOURCE, is_profile_of_known=is_profile)
    assert packaged_rows()[model_id] == made
    assert made["input"] == round(TABLE[model_id]["input_cost_per_token"] * 1e12)
    assert made["output"] == round(TABLE[model_id]["output_cost_per_token"] * 1e12)


def test_a_row_as_toml_reads_back() -> None:
    row = {"id": 'a "quoted" one', "input": 1_000_000, "takes_temperature": False, "end_of_life": date(2027, 3, 30)}
    assert tomllib.loads(row_as_toml(row)) == {"model": [row]}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "no prices"),
        ({"input_cost_per_token": 1e-7}, "no prices"),
        ({"input_cost_per_token": 1e-7, "output_cost_per_token": 1e-7, "max_input_tokens": 5}, "no limits"),
    ],
)
def test_what_a_table_does_not_say_is_not_guessed(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        row_from_litellm({"a.model": entry}, "a.model", SOURCE)


def test_half_a_pair_of_prices_is_no_price() -> None:
    entry = {**TABLE["amazon.nova-pro-v1:0"], "output_cost_per_token_flex": None}
    row = row_from_litellm({"amazon.nova-pro-v1:0": entry}, "amazon.nova-pro-v1:0", SOURCE)
    assert "flex_input" not in row
    assert row["priority_input"] == 1_400_000
    assert "cache_read" not in row, "writing has no price there"


@pytest.mark.parametrize(
    ("flags", "model_id", "answers_by"),
    [
        ({"supports_tool_choice": True}, "anthropic.claude-x", AnswersBy.FORCED_TOOL),
        ({"supports_tool_choice": True}, "us.amazon.nova-x", AnswersBy.FORCED_TOOL),
        ({"supports_tool_choice": True}, "qwen.x", AnswersBy.ANY_TOOL),
        ({"supports_function_calling": True, "supports_native_structured_output": True}, "q.x", AnswersBy.TEXT_SCHEMA),
        ({"supports_function_calling": True}, "meta.x", AnswersBy.AUTO_TOOL),
        ({}, "deepseek.x", AnswersBy.JSON_TEXT),
        (
            {"supports_tool_choice": True, "supports_forced_tool_use": False, "supports_function_calling": True},
            "anthropic.claude-y",
            AnswersBy.AUTO_TOOL,
        ),
    ],
)
def test_how_a_model_answers_follows_from_what_it_takes(
    flags: dict[str, bool], model_id: str, answers_by: AnswersBy
) -> None:
    prices = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    entry = {**prices, "max_input_tokens": 10, "max_output_tokens": 5, **flags}
    assert row_from_litellm({model_id: entry}, model_id, SOURCE)["answers_by"] == answers_by.value


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[[model]", ["is not TOML"]),
        ("[prices]\n", ["[prices] is nothing that it may hold"]),
        ("model = 3", ["model must be a list of tables"]),
        ("[[model]]\ninput = 1\noutput = 1\n", ["number 1 has no id", "max_input_tokens and max_output_tokens"]),
        (f"[[model]]\n{ROW}[[model]]\n{ROW}", ["'x.y' has no id of its own"]),
        (f"[[model]]\n{ROW}prize = 3\n", ["prize is no key"]),
        (f"[[model]]\n{ROW}takes_temperature = 1\n", ["takes_temperature must be true or false, not 1"]),
        (f"[[model]]\n{ROW}thinking_tokens = true\n", ["thinking_tokens must be a whole number"]),
        (f"[[model]]\n{ROW}output_burndown = -1\n", ["output_burndown must be a whole number that is not negative"]),
        (f"[[model]]\n{ROW}end_of_life = 2027-03-30T00:00:00\n", ["end_of_life must be a date"]),
        (f'[[model]]\n{ROW}answers_by = "telepathy"\n', ["answers_by must be one of forced_tool"]),
        (
            f'[[model]]\n{ROW}answers_by = "json_text"\nstrict_tool = true\n',
            ["strict_tool is for models that answer by a"],
        ),
        (f"[[model]]\n{ROW}strict_tool = 1\n", ["strict_tool must be true or false"]),
        (
            f"[[model]]\n{ROW}batch_input = 1\nflex_output = 2\n",
            ["batch_input and batch_output", "flex_input and"],
        ),
        ("[aliases]\nme = 3\n", ["alias 'me' must name a model id"]),
    ],
)
def test_all_faults_of_a_file_are_said_a_sentence_each(text: str, faults: list[str]) -> None:
    with pytest.raises(ModelRowsError) as caught:
        parse_rows(text, "mine.toml", {})
    lines = str(caught.value).splitlines()
    assert len(lines) >= len(faults)
    assert all(line.startswith("mine.toml") for line in lines)
    assert all(any(fault in line for line in lines) for fault in faults)


def test_a_missing_price_is_named() -> None:
    with pytest.raises(MissingPriceError, match=r"'x\.y' in mine\.toml has no input or output price"):
        parse_rows(f"[[model]]\n{ROW.replace('output = 2', '')}", "mine.toml", {})


def test_a_profile_needs_no_more_than_its_price_and_has_the_abilities_of_its_base() -> None:
    own = '[[model]]\nid = "eu.deepseek.r1-v1:0"\ninput = 7\noutput = 8\nsource = "mine"\n'
    models = load_models(own_rows=own).models
    profile, base = models["eu.deepseek.r1-v1:0"], models["deepseek.r1-v1:0"]
    assert (profile.price.input_micro_usd, profile.price.output_micro_usd) == (7, 8)
    assert (profile.answers_by, profile.thinking_tokens) == (base.answers_by, base.thinking_tokens)
    assert (profile.max_output_tokens, profile.end_of_life) == (base.max_output_tokens, base.end_of_life)


def test_a_profile_takes_over_no_price_and_no_cache_that_it_does_not_sell() -> None:
    claude = "anthropic.claude-haiku-4-5-20251001-v1:0"
    own = f'[[model]]\nid = "eu.{claude}"\ninput = 7\noutput = 8\n'
    profile = load_models(own_rows=own).models[f"eu.{claude}"]
    assert (profile.cache_minimum_tokens, profile.price.has_batch) == (None, False)


def test_a_strict_tool_is_a_row_s_own_word_that_its_profiles_take_over() -> None:
    own = f'[[model]]\n{ROW}strict_tool = true\n[[model]]\nid = "eu.x.y"\ninput = 1\noutput = 2\n'
    models = load_models(own_rows=own).models
    assert (models["x.y"].strict_tool, models["eu.x.y"].strict_tool) == (True, True)
    assert not any(spec.strict_tool for spec in packaged_models().models.values())


def test_own_rows_stand_on_top_of_ours() -> None:
    nova = "amazon.nova-lite-v1:0"
    own = f'[aliases]\nmine = "{nova}"\n[[model]]\nid = "{nova}"\ninput = 7\noutput = 8\nmax_input_tokens = 10\n'
    catalog = load_models(
        {"haiku": "mine.own"}, f"{own}max_output_tokens = 5\n[[model]]\n{ROW.replace('x.y', 'mine.own')}"
    )
    assert catalog.resolve("mine").price.input_micro_usd == 7
    assert catalog.resolve("haiku").model_id == "mine.own"
    assert packaged_models().models[nova].price.input_micro_usd == 60_000


def test_an_alias_of_an_unknown_model_fails_at_once() -> None:
    with pytest.raises(UnknownModelError, match="such"):
        load_models(own_rows='[aliases]\nmine = "no.such"\n')


def test_a_profile_without_a_row_is_told_from_an_unknown_model() -> None:
    with pytest.raises(UnknownModelError, match="profile of a known model: MANGA_MODELS_FILE needs a row with its own"):
        load_models().resolve("eu.qwen.qwen3-32b-v1:0")
    with pytest.raises(UnknownModelError, match="add a row with its price to MANGA_MODELS_FILE"):
        load_models().by_id("cohere.command")


def test_rows_of_old_files_count_as_before() -> None:
    (spec,) = parse_rows(f"[[model]]\n{ROW}takes_forced_tool = false\n", "mine.toml", {}).specs
    assert spec.answers_by is AnswersBy.AUTO_TOOL
