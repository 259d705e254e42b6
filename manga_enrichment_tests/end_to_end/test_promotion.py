"""A promotion over HTTP: a diff, a canary inside the night that passes and lets the rest follow, and one that stops."""

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from manga_enrichment.assembly import build_definitions
from manga_enrichment.cli import main
from manga_enrichment.defs.enrichment.canary_checks import CANARY_CHECK
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.local.stack.model_control import ModelServerControl

TITLES = 160
PACKAGED = Path(__file__).parents[2] / "manga_enrichment/domain/analyses/packaged/content_summary.toml"
ANALYSIS = {"full_enrichment", "content_summary"}


def command(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


def night() -> dict[str, dg.AssetCheckEvaluation]:
    """By analysis, what the check of canaries says."""
    job = build_definitions().resolve_job_def(NIGHTLY_JOB)
    result = job.execute_in_process(tags=range_tags("0", "0"), raise_on_error=False)
    found = [each for each in result.get_asset_check_evaluations() if each.check_name == CANARY_CHECK]
    return {each.asset_key.path[-1]: each for each in found}


@pytest.fixture
def settings_file(tmp_path: Path, arrange: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a catalog that a night has answered, and a folder for documents."""
    (tmp_path / "analyses").mkdir()
    arrange(TITLES, catalog_buckets=1, concurrency=16, requests_per_minute=60_000)
    monkeypatch.setenv("MANGA_ANALYSES_DIR", str(tmp_path / "analyses"))
    said = night()
    assert said.keys() >= ANALYSIS
    assert {each.description for each in said.values()} == {"there is no canary"}
    return tmp_path / "settings.env"


def test_a_model_is_promoted_a_part_first_and_the_rest_follows(
    settings_file: Path, model_server: ModelServerControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("promote", "--analysis", "full_enrichment", "--model", "nova-lite", "--env-file", settings_file)
    assert "titles: a canary needs 30" in command(*words, "--canary", 1, code=1)
    shown = command(*words, "--canary", 50)
    assert """+MANGA_LANE_MODELS='{"night":{"full_enrichment":"nova-lite"}}'""" in shown
    assert "Nothing was written" in shown
    assert not settings_file.exists()

    written = command(*words, "--canary", 50, "--write")
    assert f"{settings_file} is written" in written
    assert "full_enrichment: asking" in command("canary", "status")
    monkeypatch.setenv("MANGA_LANE_MODELS", settings_file.read_text("utf-8").split("=", 1)[1].strip().strip("'"))
    before = model_server.counters()["billed"]
    said = night()["full_enrichment"]
    asked = model_server.counters()["billed"] - before
    assert said.passed, said.description
    assert said.metadata["state"].value == "passed", said.description
    assert "full_enrichment: passed" in command("canary", "status")
    rest = json.loads(command("estimate", "--json"))["calls"]
    night()
    billed = model_server.counters()["billed"] - before
    assert (asked, billed) == (pytest.approx(rest, rel=0.5), asked + rest)
    assert json.loads(command("estimate", "--json"))["calls"] == 0


def test_a_prompt_whose_answers_drift_is_stopped_and_can_be_taken_back_for_nothing(
    settings_file: Path, model_server: ModelServerControl, tmp_path: Path
) -> None:
    text = PACKAGED.read_text("utf-8").replace('version = "1"\n', "")
    short = text.replace("maxLength = 600", "maxLength = 60")
    candidate = tmp_path / "short.toml"
    candidate.write_text(short, "utf-8")
    words = ("promote", "--analysis", "content_summary", "--candidate", candidate, "--canary", 50)
    shown = command(*words, "--write")
    assert "--- a/" in shown
    assert "-maxLength = 600" in shown
    document = tmp_path / "analyses/content_summary.toml"
    assert document.read_text("utf-8") == short

    said = night()["content_summary"]
    assert (said.passed, said.severity) == (False, dg.AssetCheckSeverity.ERROR), said.description
    assert said.description is not None
    assert said.description.startswith("stopped, nothing further is asked: ")
    assert "length of summary_en" in said.description
    before = model_server.counters()["billed"]
    assert not night()["content_summary"].passed
    assert model_server.counters()["billed"] == before
    assert "content_summary: failed" in command("canary", "status")

    document.unlink()
    assert night()["content_summary"].description == "there is no canary"
    assert model_server.counters()["billed"] == before
