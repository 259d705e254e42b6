"""`generate`: the files that follow from the analyses, clean in the checkout, and whole for analyses of one's own."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from jsonschema import Draft4Validator, Draft7Validator

from manga_enrichment.cli import main
from manga_enrichment.local.stack.own_templates import own_templates

ROOT = Path(__file__).parents[2]


def generate(*words: object) -> Result:
    return CliRunner().invoke(main, ["generate", *map(str, words)])


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MANGA_ANALYSES_DIR", str(ROOT / "data" / "analyses"))
    result = generate("--out", tmp_path)
    assert result.exit_code == 0, result.output
    return tmp_path


def batch(analysis: str) -> dict[str, Any]:
    return {"items": [{"manga_id": "MNG-C4G0F4AW", "analysis_type": analysis}]}


def test_the_checkout_is_as_generate_writes_it() -> None:
    result = generate("--out", ROOT, "--check")
    assert result.exit_code == 0, result.output
    assert "9 files" in result.output


def test_a_check_names_what_is_stale_and_writes_nothing(own: Path) -> None:
    assert generate("--out", own, "--check").exit_code == 0
    (own / "docs" / "tables.md").write_text("old", "utf-8")
    (own / "infra" / "api.yaml").unlink()
    result = generate("--out", own, "--check")
    assert result.exit_code == 1
    assert "docs/tables.md, infra/api.yaml. Run make generate" in result.output
    assert (own / "docs" / "tables.md").read_text("utf-8") == "old"
    assert not (own / "infra" / "api.yaml").exists()


def test_what_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "docs").write_text("a file", "utf-8")
    result = generate("--out", tmp_path)
    assert result.exit_code == 1
    assert "cannot be written" in result.output
    assert "Traceback" not in result.output


def test_tables_have_their_docs_and_athena_their_columns(own: Path) -> None:
    tables = (own / "docs" / "tables.md").read_text("utf-8")
    assert "| mood_intensity | int64, never null | From 1, a quiet hum, to 5, which takes hold" in tables
    assert "| story_setting_answered_at |" in tables
    resources = yaml.safe_load((own / "infra" / "analytics.yaml").read_text("utf-8"))["Resources"]
    inputs = {name: each["Properties"].get("TableInput", {}) for name, each in resources.items()}
    types = {each["Name"]: each["Type"] for each in inputs["StorySettingTable"]["StorageDescriptor"]["Columns"]}
    assert types["setting_evidence"] == "array<struct<quote:string,weight:double>>"
    assert types["setting_era"] == "string"
    wide = {each["Name"] for each in inputs["EnrichedCatalogTable"]["StorageDescriptor"]["Columns"]}
    assert {"mood", "mood_pitch", "setting_place", "story_setting_answered_at"} <= wide
    values = inputs["OutcomesTable"]["Parameters"]["projection.analysis.values"]
    assert values.split(",")[-2:] == ["mood", "story_setting"]


def test_the_request_front_lets_in_what_there_is_and_nothing_else(own: Path) -> None:
    resources = yaml.safe_load((own / "infra" / "api.yaml").read_text("utf-8"))["Resources"]
    model = Draft4Validator(resources["BatchAnalysisRequestModel"]["Properties"]["Schema"])
    schema = Draft7Validator(json.loads((own / "docs" / "batch_analysis.json").read_text("utf-8")))
    for validator in (model, schema):
        assert [validator.is_valid(batch(each)) for each in ("mood", "content_moderation", "moods")] == [1, 1, 0]
    shipped = yaml.safe_load((ROOT / "infra" / "api.yaml").read_text("utf-8"))["Resources"]
    before = Draft4Validator(shipped["BatchAnalysisRequestModel"]["Properties"]["Schema"])
    assert not before.is_valid(batch("mood"))


def test_partners_read_what_an_answer_is(own: Path) -> None:
    schemas = json.loads((own / "docs" / "openapi.json").read_text("utf-8"))["components"]["schemas"]
    assert schemas["MoodAnswer"]["properties"]["mood"]["enum"] == ["calm", "light", "bittersweet", "tense", "dark"]
    assert {"$ref": "#/components/schemas/StorySettingAnswer"} in schemas["ResultItem"]["properties"]["answer"]["anyOf"]


def test_the_local_stack_deploys_the_front_of_ones_own_analyses_and_else_the_shipped_one(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates = own_templates(own / "stack")
    assert list(templates) == ["api.yaml"]
    assert templates["api.yaml"].read_text("utf-8") == (own / "infra" / "api.yaml").read_text("utf-8")
    monkeypatch.delenv("MANGA_ANALYSES_DIR")
    assert own_templates(own / "none") == {}
