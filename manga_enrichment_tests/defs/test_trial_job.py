"""The job `trial`: what the launchpad offers, and that it asks what it says."""

from typing import Any

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.settings import Settings
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.pipeline.trials.trial_stage import LEVEL, TrialStage

SETTINGS = Settings(catalog_buckets=1)


def run(stage: TrialStage, **config: Any) -> dg.ExecuteInProcessResult:
    job = build_definitions(SETTINGS, resources=stage.world.resources()).get_job_def("trial")
    return job.execute_in_process(run_config={"ops": {"try_candidates": {"config": config}}}, raise_on_error=False)


def test_the_launchpad_offers_analyses_and_models_and_says_what_each_field_is() -> None:
    job = build_definitions(SETTINGS).get_job_def("trial")
    schema = job.get_node_named("try_candidates").definition.config_schema.config_type
    fields = schema.fields
    analyses = {each.config_value for each in fields["analysis"].config_type.enum_values}
    aliases = fields["models"].config_type.inner_type
    models = {each.config_value for each in getattr(aliases, "inner_type", aliases).enum_values}
    assert analyses == set(ANALYSES)
    assert {"haiku", "sonnet"} < models
    assert all(field.description for field in fields.values())


@pytest.mark.slow
def test_it_asks_a_sample_and_keeps_a_page() -> None:
    stage = TrialStage()
    result = run(stage, analysis=LEVEL, models=["sonnet"], titles=5)
    assert result.success
    assert stage.asked == 5
    metadata = result.get_step_success_events()[0]
    (output,) = [each for each in result.all_events if each.event_type is dg.DagsterEventType.STEP_OUTPUT]
    said = output.event_specific_data.metadata
    assert metadata is not None
    assert "| sonnet" in said["summary"].value
    assert said["is_complete"].value is True
    key = next(key for key in stage.world.tables.list_keys("trials/") if key.endswith(".html"))
    assert "Trial of reading level" in (stage.world.tables.read_text(key) or "")


@pytest.mark.slow
def test_a_dry_run_says_what_it_would_ask_as_its_result_and_as_a_tag_of_the_run() -> None:
    stage = TrialStage()
    result = run(stage, analysis=LEVEL, models=["sonnet"], titles=5, dry_run=True)
    assert result.success
    assert stage.asked == 0
    (output,) = [each for each in result.all_events if each.event_type is dg.DagsterEventType.STEP_OUTPUT]
    said = output.event_specific_data.metadata["result"].value
    assert "5" in said
    assert "USD" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "Nothing to try: name a model"),
        ({"models": ["haiku"]}, "haiku is what today is"),
        ({"models": ["sonnet"], "titles": 5, "cap_usd": 0}, "more than its cap of USD 0"),
        ({"candidate": "name = 1"}, "candidate.toml cannot be tried as reading_level"),
        ({"models": ["sonnet"], "titles": 100}, "100 titles are more than the 12"),
    ],
)
def test_what_cannot_be_tried_ends_the_run_with_a_sentence(config: dict[str, Any], said: str) -> None:
    stage = TrialStage()
    result = run(stage, analysis=LEVEL, **config)
    assert not result.success
    (failure,) = result.get_step_failure_events()
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert said in (told.description or "")
    assert stage.asked == 0
