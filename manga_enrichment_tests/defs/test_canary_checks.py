"""A canary in Dagster: the night asks its share, the check decides about the rest."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.defs.enrichment.canary_checks import CANARY_CHECK
from manga_enrichment.domain.trials.canary import Canary, CanaryState
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment_tests.builders import catalog_row
from manga_enrichment_tests.defs.project import Project, checks
from manga_enrichment_tests.scripted_model import DEFAULT_USAGE, valid_answer

pytestmark = pytest.mark.slow

FULL, LEVEL, TITLES = "full_enrichment", "reading_level", 120
PACKAGED = Path(__file__).parents[2] / "manga_enrichment/domain/analyses/packaged/reading_level.toml"


def promoted(folder: Path, analysis: str, **settings: object) -> Project:
    """A catalog that a night has answered; then other settings, and a canary of 45 %."""
    project = Project(folder, catalog=[catalog_row(n) for n in range(TITLES)])
    assert project.run().success
    project.world.model.sent.clear()
    project.settings = project.settings.model_copy(update=settings)
    project.build()
    key = dg.AssetKey(analysis)
    spec = project.definitions.resolve_asset_graph().get(key)
    canary = Canary(analysis, str(spec.code_version), spec.metadata["model_id"], 45, datetime(2026, 1, 1, tzinfo=UTC))
    project.world.status.put_canary(canary)
    return project


def grown_up(call: ModelCall) -> ModelReply:
    answer = dict(valid_answer(call.prompt))
    level = {**answer[LEVEL], "level": "adult", "min_age": 16}
    return ModelReply("tool_use", {**answer, LEVEL: level}, DEFAULT_USAGE)


def test_a_model_of_the_combined_call_is_judged_by_the_tables_of_all_its_parts(tmp_path: Path) -> None:
    project = promoted(tmp_path, FULL, lane_models={"night": {FULL: "nova-lite"}})
    said = checks(project.run())[FULL, CANARY_CHECK]
    first = len(project.world.model.sent)
    assert said.passed, said.description
    assert said.metadata["state"].value == "passed", said.description
    assert "| genre_classification | primary_genre | chi-square |" in str(said.metadata["tests"].value)
    assert 30 <= first < TITLES - 30
    assert project.run().success
    assert len(project.world.model.sent) == TITLES


def test_a_prompt_that_drifts_is_an_error_that_says_what_differs_and_stops(tmp_path: Path) -> None:
    (tmp_path / "analyses").mkdir()
    text = PACKAGED.read_text("utf-8").replace('version = "1"\n', "")
    (tmp_path / "analyses/reading_level.toml").write_text(text.replace("suitability is", "age is"), "utf-8")
    project = promoted(tmp_path, LEVEL, analyses_dir=str(tmp_path / "analyses"))
    project.world.model._otherwise = grown_up  # noqa: SLF001
    result = project.run()
    said = checks(result)[LEVEL, CANARY_CHECK]
    assert result.success, "a canary stops no run"
    assert (said.passed, said.severity) == (False, dg.AssetCheckSeverity.ERROR), said.description
    stopped = "stopped, nothing further is asked: reading_level: adult 0% before, 100% now (chi-square, p "
    assert str(said.description).startswith(stopped)
    sent = len(project.world.model.sent)
    assert not checks(project.run())[LEVEL, CANARY_CHECK].passed
    assert len(project.world.model.sent) == sent
    canary = project.world.status.canary(LEVEL)
    assert canary is not None
    assert canary.state is CanaryState.FAILED


def test_a_canary_that_is_too_small_warns_and_goes_on_waiting(tmp_path: Path) -> None:
    project = promoted(tmp_path, FULL, lane_models={"night": {FULL: "nova-lite"}})
    canary = project.world.status.canary(FULL)
    assert canary is not None
    project.world.status.put_canary(Canary(FULL, canary.version, canary.model_id, 10, canary.started_at))
    said = checks(project.run())[FULL, CANARY_CHECK]
    assert (said.passed, said.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "too few to judge" in str(said.description)
