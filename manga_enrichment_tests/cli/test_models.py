"""`manga-enrichment models`: what is known, whether a file can be used, a row from a price table."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from manga_enrichment.cli import main

TABLE = Path(__file__).parents[1] / "domain" / "models" / "litellm_excerpt.json"
GLM = {"input_cost_per_token": 6e-7, "output_cost_per_token": 2.2e-6, "max_input_tokens": 203_000}
OWN = {"zai.glm-9": {**GLM, "max_output_tokens": 9_000, "supports_tool_choice": True}}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", *arguments])


@pytest.fixture
def own_table(tmp_path: Path) -> str:
    (tmp_path / "table.json").write_text(json.dumps(OWN))
    return str(tmp_path / "table.json")


def test_the_list_has_prices_ways_tiers_and_ends() -> None:
    lines = run("list").output.splitlines()
    nova = next(line.split() for line in lines if line.startswith("amazon.nova-pro-v1:0"))
    assert nova == ["amazon.nova-pro-v1:0", "$0.8", "$3.2", "forced_tool", "batch", "flex", "priority", "nova-pro"]
    assert any("ends 2027-03-30" in line for line in lines if line.startswith("meta.llama3-3"))


def test_one_family_is_listed_and_an_unknown_one_is_a_sentence() -> None:
    listed = json.loads(run("list", "--family", "deepseek", "--json").output)
    assert {each["family"] for each in listed} == {"deepseek"}
    result = run("list", "--family", "acme")
    assert result.exit_code == 1
    assert "the families are amazon, anthropic" in result.output


def test_one_model_is_shown_with_its_source() -> None:
    shown = run("show", "gpt-oss-20b").output
    assert "input_micro_usd_per_million_tokens: 70000" in shown
    assert "answers_by: any_tool" in shown
    assert "source: AWS price list us-east-1, by litellm 1.110.2, read on 2026-11-28" in shown
    assert "Unknown model 'nobody'" in run("show", "nobody").output


def test_a_row_is_printed_or_added_and_then_known(
    own_table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = run("add", "zai.glm-9", "--from", own_table, "--source", "a table of ours").output
    assert 'answers_by = "any_tool"' in printed
    assert 'source = "a table of ours, read on ' in printed
    file = tmp_path / "mine.toml"
    assert run("add", "zai.glm-9", "--from", own_table, "--to", str(file)).exit_code == 0
    again = run("add", "zai.glm-9", "--from", own_table, "--to", str(file))
    assert again.exit_code == 1
    assert "has no id of its own" in again.output
    assert run("check", str(file)).output == f"{file}: 1 models and 0 aliases can be used\n"
    assert "Unknown model" in run("show", "zai.glm-9").output
    monkeypatch.setenv("MANGA_MODELS_FILE", str(file))
    assert "family: zai" in run("show", "zai.glm-9").output
    assert "1 models" in run("check").output


def test_a_profile_of_a_known_model_gets_prices_alone() -> None:
    printed = run("add", "us.meta.llama4-scout-17b-instruct-v1:0", "--from", str(TABLE)).output
    assert "input = 170_000" in printed
    assert "max_input_tokens" not in printed


def test_a_bad_file_is_refused_with_every_fault(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('[[model]]\nid = "a.b"\ninput = "many"\nprize = 1\n')
    result = run("check", str(tmp_path / "bad.toml"))
    assert result.exit_code == 1
    assert "input must be a whole number" in result.output
    assert "prize is no key of a row" in result.output


def test_a_price_without_a_source_is_warned_of(tmp_path: Path) -> None:
    row = 'id = "a.b"\ninput = 1\noutput = 1\nmax_input_tokens = 1\nmax_output_tokens = 1\nend_of_life = 2026-12-01\n'
    (tmp_path / "mine.toml").write_text(f"[[model]]\n{row}")
    said = run("check", str(tmp_path / "mine.toml"))
    assert said.exit_code == 0
    assert "a.b: no source says where its price comes from" in said.output
    assert "a.b: ends on 2026-12-01" in said.output


@pytest.mark.parametrize("arguments", [["check"], ["add", "a.b", "--from", "{table}"]])
def test_what_is_missing_is_a_sentence(arguments: list[str], own_table: str) -> None:
    result = run(*(each.format(table=own_table) for each in arguments))
    assert result.exit_code == 1
    assert "MANGA_MODELS_FILE" in result.output or "has no prices of 'a.b'" in result.output


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_MODELS_FILE", "/no/such/models.toml")
    assert "MANGA_MODELS_FILE=/no/such/models.toml cannot be read" in run("list").output
