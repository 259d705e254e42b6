"""The job `ask_again`: a dry run unless told otherwise, and the command's work in the UI."""

from typing import Any

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.settings import Settings
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, title_id
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.pipeline.titles.again_stage import LEVEL, AgainStage

SETTINGS = Settings(catalog_buckets=1)
WISH = {"analysis": LEVEL, "because": "it names the killer", "by": "ed", "titles": [title_id(1), title_id(2)]}


def run(stage: AgainStage, **config: Any) -> dg.ExecuteInProcessResult:
    job = build_definitions(SETTINGS, resources=stage.world.resources()).get_job_def("ask_again")
    run_config = {"ops": {"ask_titles_again": {"config": {**WISH, **config}}}}
    return job.execute_in_process(run_config=run_config, raise_on_error=False)


def said(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (output,) = [each for each in result.all_events if each.event_type is dg.DagsterEventType.STEP_OUTPUT]
    data: Any = output.event_specific_data
    return {name: each.value for name, each in data.metadata.items()}


def test_the_launchpad_offers_analyses_says_what_each_field_is_and_asks_nothing_by_itself() -> None:
    job = build_definitions(SETTINGS).get_job_def("ask_again")
    op: Any = job.get_node_named("ask_titles_again").definition
    fields = op.config_schema.config_type.fields
    assert {each.config_value for each in fields["analysis"].config_type.enum_values} == set(ANALYSES)
    assert all(field.description for field in fields.values())
    assert fields["dry_run"].default_value is True
    assert {name for name, field in fields.items() if field.is_required} == {"analysis", "because", "by"}


@pytest.mark.slow
def test_unless_told_otherwise_it_says_what_it_would_ask_first_of_all() -> None:
    stage = AgainStage()
    before = dict(stage.world.tables.objects)
    result = run(stage)
    assert result.success
    metadata = said(result)
    assert next(iter(metadata)) == "result"
    assert metadata["result"].startswith("dry run: 2 titles, 2 calls (2 of reading_level), about 0.00")
    assert title_id(2) in metadata["titles"]
    assert (stage.asked, stage.world.tables.objects) == (0, before)


@pytest.mark.slow
def test_told_to_it_asks_once_and_the_ui_sees_the_tables_change() -> None:
    stage = AgainStage()
    result = run(stage, dry_run=False)
    assert result.success
    assert (stage.asked, said(result)["left"]) == (2, 0)
    assert said(result)["billed_usd"] > 0
    events = [each for each in result.all_events if each.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION]
    changed = {each.asset_key.to_user_string() for each in events if each.asset_key}
    assert changed == {LEVEL, "enriched_catalog", "enriched_changes"}
    assert {each.partition for each in events} == {BUCKET}
    assert run(stage, dry_run=False).success
    assert stage.asked == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"titles": ["MNG-ZZZZZZZZ"]}, "The catalog has no title MNG-ZZZZZZZZ"),
        ({"titles": []}, "either titles or where"),
        ({"where": "true"}, "either titles or where"),
        ({"because": ""}, "`because` is missing"),
    ],
)
def test_what_cannot_be_asked_ends_the_run_with_a_sentence(config: dict[str, Any], sentence: str) -> None:
    stage = AgainStage()
    result = run(stage, dry_run=False, **config)
    (failure,) = result.get_step_failure_events()
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert sentence in (told.description or "")
    assert stage.asked == 0


@pytest.mark.slow
def test_an_account_that_is_refused_ends_the_run_for_good_and_says_what_to_do() -> None:
    stage = AgainStage()
    refused = {title_id(number): [ErrorClass.ACCESS_DENIED] * 9 for number in (1, 2)}
    stage.world.model = ScriptedModel(stage.world.clock, refused)
    result = run(stage, dry_run=False)
    (failure,) = result.get_step_failure_events()
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert "reading_level stopped (access_denied)" in (told.description or "")
    assert "To mend it:" in (told.description or "")
