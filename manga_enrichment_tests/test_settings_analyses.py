"""MANGA_ANALYSES_DIR: a folder of documents, and one clear sentence before anything starts where it cannot be used."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from manga_enrichment.assembly import build_definitions
from manga_enrichment.cli import main
from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.analyses.documents import AnalysisDocumentError
from manga_enrichment.domain.analyses.own import Surroundings, with_own
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.prompts.prompt import TITLE_FIELDS
from manga_enrichment.domain.requests.validation import validate
from manga_enrichment.pipeline.publish.tables import published_tables
from manga_enrichment.settings import known_analyses, known_models, load_settings, request_policy
from manga_enrichment_tests.analyses import ANALYSES

EXAMPLES = Path(__file__).parents[1] / "data" / "analyses"
ITEM = {"manga_id": "MNG-C4G0F4AW", "analysis_type": "mood"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copied = tmp_path / "analyses"
    shutil.copytree(EXAMPLES, copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("MANGA_ANALYSES_DIR", str(copied))
    return copied


def changed(folder: Path, before: str, after: str, file: str = "mood.toml") -> None:
    text = (folder / file).read_text("utf-8")
    assert before in text
    (folder / file).write_text(text.replace(before, after), "utf-8")


def test_without_a_folder_there_are_the_packaged_ones() -> None:
    assert known_analyses(load_settings()) is packaged_analyses()


def test_a_folder_adds_its_documents_and_rules(folder: Path) -> None:
    known = known_analyses(load_settings())
    assert list(known.of_titles) == [*ANALYSES, "mood", "story_setting"]
    evidence = [{"quote": "a", "weight": 0.2}, {"quote": "b", "weight": 1}]
    row = known.get("story_setting").to_row({"place": None, "era": "past", "evidence": evidence})
    assert [each["weight"] for each in row["setting_evidence"]] == [1.0, 0.2]
    assert known_analyses(load_settings()) is known
    changed(folder, "light", "airy")
    assert known_analyses(load_settings()).get("mood").version != known.get("mood").version


def test_a_folder_is_checked_before_it_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MANGA_ANALYSES_DIR")
    checked = CliRunner().invoke(main, ["analyses", "check", str(folder)])
    assert checked.exit_code == 0
    assert [line.split()[0] for line in checked.output.splitlines()[:-1]] == ["mood", "story_setting"]
    assert "2 analyses are new or changed" in checked.output
    assert "mood" not in CliRunner().invoke(main, ["analyses", "list"]).output
    changed(folder, "fields =", "shows =")
    refused = CliRunner().invoke(main, ["analyses", "check", str(folder)])
    assert refused.exit_code == 1
    assert "mood.toml: shows is no key of an analysis" in refused.output


def test_requests_may_ask_for_what_the_folder_adds_and_for_nothing_else(folder: Path) -> None:
    policy = request_policy(load_settings())
    result = validate("batch_analysis", {"items": [ITEM]}, policy)
    assert result.valid
    assert result.estimated_tokens > 500
    [error] = validate("batch_analysis", {"items": [ITEM | {"analysis_type": "moods"}]}, policy).errors
    assert "mood, story_setting" in error.message
    assert not validate("batch_analysis", {"items": [ITEM]}).valid


def test_a_lane_may_have_a_model_for_what_the_folder_adds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_LANE_MODELS", '{"low": {"mood": "nova-lite"}}')
    assert known_models(load_settings()).alias_for("mood", "haiku", "low") == "nova-lite"
    monkeypatch.delenv("MANGA_ANALYSES_DIR")
    with pytest.raises(ConfigurationError, match="MANGA_LANE_MODELS: mood is none of"):
        known_models(load_settings())


def faulty(folder: Path, fault: str) -> None:
    match fault:
        case "model":
            changed(folder, 'model = "haiku"', 'model = "claude-9"', "story_setting.toml")
        case "key":
            changed(folder, "fields =", "shows =")
        case "bytes":
            (folder / "mood.toml").write_bytes(b"\xff\xfe\x00")
        case "size":
            (folder / "mood.toml").write_text("#" * 500_000, "utf-8")
        case "folder":
            shutil.rmtree(folder)
        case "module":
            changed(folder, "RULES =", "rules =", "story_setting.py")
        case "error":
            changed(folder, "RULES =", "RULES = 1 / 0 or", "story_setting.py")
        case "exit":
            changed(folder, "RULES =", "raise SystemExit(0)\nRULES =", "story_setting.py")


FAULTS = [
    ("model", "story_setting.toml: model 'claude-9' is not known; choose "),
    ("key", "mood.toml: shows is no key of an analysis"),
    ("bytes", "mood.toml cannot be read"),
    ("size", "mood.toml has more than 400,000 bytes; shorten it"),
    ("folder", "is no folder: make it, or unset the variable"),
    ("module", "story_setting.py: it has no RULES; write RULES = Rules(check=…) at its end"),
    ("error", "story_setting.py: it ends with ZeroDivisionError: division by zero"),
    ("exit", "story_setting.py: it ends with SystemExit: 0"),
]


@pytest.mark.parametrize(("fault", "told"), FAULTS)
def test_what_cannot_be_used_stops_definitions_and_commands_with_a_sentence(
    folder: Path, fault: str, told: str
) -> None:
    faulty(folder, fault)
    with pytest.raises(ConfigurationError) as raised:
        build_definitions()
    assert told in str(raised.value)
    found = CliRunner().invoke(main, ["models", "list"])
    assert found.exit_code == 1
    assert told in found.output
    assert "Traceback" not in found.output


def test_no_document_may_have_the_name_of_a_table_or_an_asset() -> None:
    assets = {key.to_user_string() for key in build_definitions().get_repository_def().asset_graph.get_all_asset_keys()}
    tables = {name for each in published_tables([]) for name in (each.name, each.objects_name)}
    names = (tables | assets) - packaged_analyses().for_partners.keys()
    assert len(names) > 20
    document, around = (EXAMPLES / "mood.toml").read_text("utf-8"), Surroundings(TITLE_FIELDS, ())
    for name in names:
        text = document.replace('name = "mood"', f'name = "{name}"', 1)
        with pytest.raises(AnalysisDocumentError, match="is that of a table or an asset of ours"):
            with_own({f"{name}.toml": text}, {}, around)
