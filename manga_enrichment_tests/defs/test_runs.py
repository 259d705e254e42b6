"""Runs of the whole job in this process, over gateways in memory."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.defs.shared.tags import SCHEDULE_TAG
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.gateways.status import PartitionStatus
from manga_enrichment.pipeline.store.object_keys import outcomes_key, table_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import COMBINED, SINGLES, World, catalog_row
from manga_enrichment_tests.defs.project import (
    FIRST,
    LAST,
    Project,
    enrichment_ops,
    failures,
    materialized,
    retried,
    rows,
)
from manga_enrichment_tests.fakes import MemoryStatus, ScriptedModel, valid_answer
from manga_enrichment_tests.scripted_model import DEFAULT_USAGE

pytestmark = pytest.mark.slow

CATALOG_ASSETS = {"manga_catalog", "similar_candidates"}
ALL_ASSETS = {*CATALOG_ASSETS, "catalog_changes", *ANALYSES, "enriched_catalog", "enriched_changes"}
DRY_RUN = {"ops": {"enrichment": {"ops": {"plan": {"config": {"dry_run": True}}}}}}


def denied_for(world: World, name: str) -> ScriptedModel:
    """A model that one analysis has no access to."""

    def answer(request: ModelCall) -> ModelReply:
        if request.prompt.tool_name == f"record_{name}":
            raise ModelError(ErrorClass.ACCESS_DENIED, "no access to this model")
        return ModelReply("tool_use", valid_answer(request.prompt), DEFAULT_USAGE)

    return ScriptedModel(world.clock, otherwise=answer)


def without_synopses(count: int = 8) -> list[dict[str, Any]]:
    """Titles that no combined call can be made for: genre, similar titles and level are asked one by one."""
    return [catalog_row(number, synopsis=None) for number in range(count)]


def titles_with(project: Project, name: str) -> int:
    return sum(len(project.world.rows(table_key(name, bucket))) for bucket in (FIRST, LAST))


def outcomes_of(project: Project, name: str) -> list[tuple[str, str | None]]:
    found = [row for bucket in (FIRST, LAST) for row in project.world.rows(outcomes_key(name, bucket))]
    return sorted((row["outcome"], row["error_class"]) for row in found)


def test_the_nightly_job_materializes_every_asset_in_every_bucket(tmp_path: Path) -> None:
    project = Project(tmp_path)
    result = project.run()
    assert result.success
    found = materialized(result)
    assert set(found) == ALL_ASSETS
    assert all(set(partitions) == {FIRST, LAST} for partitions in found.values())
    assert len(project.world.model.sent) == 9
    for name in SINGLES:
        assert outcomes_of(project, name) == [("insufficient_input", None)] * 3 + [("succeeded", None)] * 9


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    asked = len(project.world.model.sent)
    again = project.run()
    assert again.success
    assert len(project.world.model.sent) == asked
    assert {values["calls"] for values in materialized(again)[COMBINED].values()} == {0}


def test_metadata_is_of_its_own_partition_and_numeric(tmp_path: Path) -> None:
    project = Project(tmp_path)
    result = project.run()
    found = materialized(result)
    numeric = {"titles", "dagster/row_count", "new_rows", "calls", "cached", "input_tokens", "output_tokens"}
    numeric |= {"cost_usd", "latency_p50_ms", "latency_p95_ms"}
    for name in ANALYSES:
        for values in found[name].values():
            assert numeric <= set(values)
            assert all(isinstance(values[each], int | float) for each in numeric)
    for name in SINGLES:
        for bucket in (FIRST, LAST):
            values = found[name][bucket]
            stored = project.world.rows(table_key(name, bucket))
            assert values["dagster/row_count"] == values["outcome_succeeded"] == len(stored)
            assert values["uri"] == f"memory://tables/{table_key(name, bucket)}"
            assert values["preview"].startswith("| title |")
            assert (values["answered_in_all_partitions"], values["titles_in_all_partitions"]) == (9, 12)
    calls = [found[COMBINED][bucket]["calls"] for bucket in (FIRST, LAST)]
    assert sum(calls) == 9
    assert calls[0] != calls[1]  # no copy of one partition's numbers in the other
    assert found["manga_catalog"][FIRST]["catalog_titles"] == 12
    for name in ("manga_catalog", "similar_candidates", "enriched_catalog"):
        for values in found[name].values():
            assert values["preview"].startswith("| title |"), name
            assert not re.search("MNG-|fingerprint|sha256", values["preview"]), "words, not ids"
        assert {values["rows_in_all_partitions"] for values in found[name].values()} == {12}, name
    assert sum(found["enriched_catalog"][bucket]["dagster/row_count"] for bucket in (FIRST, LAST)) == 12


def test_the_wide_table_shows_what_the_status_table_says_of_each_bucket(tmp_path: Path) -> None:
    project = Project(tmp_path)
    result = project.run()
    for bucket in (FIRST, LAST):
        shown = materialized(result)["enriched_catalog"][bucket]["partitions"].splitlines()[2:]
        states = [state for name in ANALYSES for state in project.world.status.partitions(name, [bucket])]
        cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in shown]
        assert [(row[0], row[1], row[-1]) for row in cells] == [(name, "completed", result.run_id) for name in ANALYSES]
        assert [row[3] for row in cells] == [f"{state.cost_micro_usd / 1e6:.6f}" for state in states]


def test_the_wide_table_is_written_while_the_status_table_is_away(tmp_path: Path) -> None:
    class Away(MemoryStatus):
        def partitions(self, analysis: str, buckets: Sequence[str]) -> Iterator[PartitionStatus]:
            raise StoreUnavailableError("DynamoDB does not answer")

    project = Project(tmp_path)
    project.world.status = Away()
    project.build()
    result = project.run()
    assert result.success
    values = materialized(result)["enriched_catalog"][FIRST]
    assert (values["dagster/row_count"] > 0, "partitions" in values) == (True, False)


def test_a_run_of_one_bucket_touches_no_other(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run(list(CATALOG_ASSETS))
    result = project.run(list(ANALYSES), buckets=(LAST, LAST))
    assert result.success
    assert {partition for found in materialized(result).values() for partition in found} == {LAST}
    assert not project.world.tables.list_keys(f"enrichment/outcomes/analysis=reading_level/bucket={FIRST}/")


def test_a_single_analysis_runs_only_its_own_ops(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run(list(CATALOG_ASSETS))
    result = project.run(["reading_level"])
    assert result.success
    assert set(materialized(result)) == {"reading_level"}
    # The combined analysis' invoke is upstream of every write; not selected, it has nothing to ask.
    nothing_to_ask = {f"invoke_{COMBINED}"}
    assert enrichment_ops(result) == {"plan", "invoke_reading_level", "write_reading_level"} | nothing_to_ask
    assert {sent.analysis for sent in project.world.model.sent} == {"reading_level"}
    assert titles_with(project, "genre_classification") == 0


def test_the_combined_analysis_alone_fills_the_tables_of_its_parts(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run(list(CATALOG_ASSETS))
    result = project.run([COMBINED])
    assert result.success
    assert set(materialized(result)) == {COMBINED}
    assert {name: titles_with(project, name) for name in SINGLES} == dict.fromkeys(SINGLES, 9)


def test_one_failing_analysis_does_not_block_the_others(tmp_path: Path) -> None:
    project = Project(tmp_path, catalog=without_synopses())
    project.world.model = denied_for(project.world, "genre_classification")
    result = project.run()
    assert not result.success
    assert set(materialized(result)) == ALL_ASSETS - {"genre_classification", "enriched_catalog", "enriched_changes"}
    assert failures(result) == {
        "write_genre_classification": "genre_classification stopped (access_denied): no access to this model. "
        "To mend it: allow bedrock:InvokeModel on this model for the role, and request model access"
    }
    assert titles_with(project, "reading_level") == 8
    outcomes = Counter(outcome for outcome, _ in outcomes_of(project, "genre_classification"))
    assert outcomes["failed"] >= 1, "those that were asked; what waited for its turn is left to the next run"
    assert outcomes["failed"] + outcomes["deferred"] == outcomes.total() == 8


def test_a_permanent_failure_is_not_tried_again(tmp_path: Path) -> None:
    project = Project(tmp_path, catalog=without_synopses())
    project.world.model = denied_for(project.world, "genre_classification")
    result = project.run()
    assert retried(result) == {}
    asked = [sent for sent in project.world.model.sent if sent.analysis == "genre_classification"]
    assert 1 <= len(asked) <= project.settings.concurrency, "asked, and no oftener than was in flight at the refusal"


def test_after_the_permanent_failure_was_mended_the_next_run_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    project = Project(tmp_path, catalog=without_synopses())
    project.world.model = denied_for(project.world, "genre_classification")
    project.run()
    project.world.model = ScriptedModel(project.world.clock)
    assert project.run().success
    assert {sent.analysis for sent in project.world.model.sent} == {"genre_classification"}
    assert titles_with(project, "genre_classification") == 8


def test_an_op_that_found_the_model_down_until_its_deadline_is_not_tried_again(tmp_path: Path) -> None:
    project = Project(tmp_path, catalog=rows(8))
    world = project.world

    def answer(request: ModelCall) -> ModelReply:
        if world.clock.monotonic_seconds() < 1.5 * project.settings.deadline_seconds:
            raise ModelError(ErrorClass.SERVICE_UNAVAILABLE, "down for maintenance")
        return ModelReply("tool_use", valid_answer(request.prompt), DEFAULT_USAGE)

    world.model = ScriptedModel(world.clock, otherwise=answer)
    result = project.run()
    assert result.success
    assert retried(result) == {}
    assert set(outcomes_of(project, "reading_level")) == {
        ("deferred", "service_unavailable"),
        ("insufficient_input", None),
    }
    assert project.run().success
    assert titles_with(project, "reading_level") == 6


def test_a_dry_run_asks_bills_and_writes_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    result = project.run(config=DRY_RUN)
    assert result.success
    assert project.world.model.sent == []
    assert project.world.ledger.entries == {}
    assert project.world.log() == []
    assert set(materialized(result)) == {*CATALOG_ASSETS, "catalog_changes"}
    assert {key.split("/")[1] for key in project.world.tables.list_keys("enrichment/")} == {
        "catalog",
        "catalog_changes",
        "catalog_rejects",
        "catalog_warnings",
        "similar_candidates",
    }
    (planned,) = [
        event for event in result.all_events if event.step_key == "enrichment.plan" and event.is_successful_output
    ]
    metadata = {name: value.value for name, value in planned.step_output_data.metadata.items()}
    assert (metadata["titles"], metadata["calls"]) == (12, 9)
    assert float(str(metadata["estimated_cost_usd"])) > 0
    assert next(iter(metadata)) == "result"
    said = str(metadata["result"])
    assert said.startswith("dry run: would make 9 calls about 12 titles, about 0.")
    assert said.endswith(f"USD ({COMBINED} 9); nothing was asked")


def test_a_wrong_bucket_count_fails_before_anything_is_asked(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    asked = len(project.world.model.sent)
    other = Project(tmp_path, catalog_buckets=4)
    other.world.tables = project.world.tables
    other.build()
    result = other.run(list(ANALYSES), buckets=("0", "3"))
    assert not result.success
    assert failures(result)["plan"].startswith(
        "MANGA_CATALOG_BUCKETS=4, but the data at memory://tables/enrichment/ was written with 2 buckets"
    )
    result = other.run(["manga_catalog"], buckets=("0", "3"))
    assert "set MANGA_CATALOG_BUCKETS=2" in failures(result)["manga_catalog"]
    assert (len(project.world.model.sent), other.world.model.sent) == (asked, [])


def test_a_missing_catalog_source_fails_with_its_path_and_is_not_tried_again(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.source.unlink()
    result = project.run()
    assert list(failures(result)) == ["manga_catalog"]
    assert f"The catalog {project.source} cannot be read" in failures(result)["manga_catalog"]
    assert retried(result) == {}


def test_the_trigger_of_a_run_is_in_the_log(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run(tags={SCHEDULE_TAG: "nightly_enrichment"})
    assert {row["trigger"] for row in project.world.log()} == {"schedule"}


def test_out_of_budget_the_run_succeeds_and_says_what_is_left(tmp_path: Path) -> None:
    project = Project(tmp_path, budget_usd_per_day=0.0)
    result = project.run()
    assert result.success
    assert project.world.model.sent == []
    assert outcomes_of(project, "reading_level") == [("deferred", "budget")] * 9 + [("insufficient_input", None)] * 3
    assert sum(values["outcome_deferred"] for values in materialized(result)["reading_level"].values()) == 9
