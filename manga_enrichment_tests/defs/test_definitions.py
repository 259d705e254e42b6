"""What the code location offers: a change here is a change that users of the UI see."""

import json
from functools import cache

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY
from manga_enrichment.domain.analyses import AnalysisSet
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.local.check_definitions import check
from manga_enrichment.pipeline.publish.tables import published_tables
from manga_enrichment.settings import Settings
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import COMBINED
from manga_enrichment_tests.defs.definitions_snapshot import SETTINGS, SNAPSHOT, snapshot_text

OURS = ["manga_catalog", "similar_candidates", *ANALYSES, "enriched_catalog"]


@cache
def definitions() -> dg.Definitions:
    return build_definitions(SETTINGS)


def spec_of(name: str) -> dg.AssetSpec:
    specs = {spec.key.to_user_string(): spec for spec in definitions().resolve_all_asset_specs()}
    return specs[name]


def graph_node(name: str) -> dg.AssetsDefinition:
    return definitions().resolve_assets_def(dg.AssetKey(name))


def op_of(graph: object, name: str) -> dg.OpDefinition:
    assert isinstance(graph, dg.GraphDefinition)
    found = graph.node_named(name).definition
    assert isinstance(found, dg.OpDefinition)
    return found


def test_all_definitions_are_those_of_the_snapshot() -> None:
    """Renew it, and look at what changed: CONTRIBUTING.md."""
    assert json.loads(snapshot_text()) == json.loads(SNAPSHOT.read_text("utf-8"))


@pytest.mark.parametrize("name", OURS)
def test_every_asset_says_what_it_is(name: str) -> None:
    assert spec_of(name).description


WITHOUT_A_TABLE = {COMBINED, "dead_requests", "enrichment_report"}


def test_every_asset_with_a_table_shows_its_columns_with_types_and_meanings() -> None:
    specs = {spec.key.to_user_string(): spec for spec in definitions().resolve_all_asset_specs()}
    assert {name for name, spec in specs.items() if "dagster/column_schema" not in spec.metadata} == WITHOUT_A_TABLE
    published = {table.name: table for table in published_tables(list(ANALYSES.values()))}
    for name in {*ANALYSES, "enriched_catalog", "similar_candidates"} - WITHOUT_A_TABLE:
        shown = specs[name].metadata["dagster/column_schema"].columns
        assert [column.name for column in shown] == [column.name for column in published[name].columns]
        assert all(column.type and column.description for column in shown)


@pytest.mark.parametrize("name", list(ANALYSES))
def test_an_asset_is_described_for_people_and_the_model_reads_what_it_read(name: str) -> None:
    assert spec_of(name).description == ANALYSES[name].about
    assert "Record" not in str(spec_of(name).description)
    assert ANALYSES[name].description.startswith("Record ")


@pytest.mark.parametrize("name", OURS)
def test_every_asset_has_the_catalogs_buckets_and_the_same_grouping_of_backfills(name: str) -> None:
    assets = graph_node(name)
    assert assets.partitions_def == dg.StaticPartitionsDefinition(["0", "1", "2", "3"])
    assert assets.backfill_policy == dg.BackfillPolicy.multi_run(3)


@pytest.mark.parametrize("name", list(ANALYSES))
def test_the_code_version_of_an_analysis_is_its_prompt_version(name: str) -> None:
    spec = spec_of(name)
    assert spec.code_version == ANALYSES[name].version
    assert spec.metadata["model_id"] == load_models().resolve(ANALYSES[name].model_alias).model_id


def test_each_analysis_has_ops_of_its_own_behind_one_plan() -> None:
    node = graph_node(COMBINED).node_def
    assert isinstance(node, dg.GraphDefinition)
    assert {each.name for each in node.nodes} == {
        "plan",
        *(f"{step}_{name}" for step in ("invoke", "write") for name in ANALYSES),
    }


@pytest.mark.parametrize("name", list(ANALYSES))
def test_invoke_ops_retry_and_wait_for_no_other_run(name: str) -> None:
    graph = graph_node(name).node_def
    invoke, write = op_of(graph, f"invoke_{name}"), op_of(graph, f"write_{name}")
    assert (invoke.pool, write.pool) == (None, None)
    assert invoke.retry_policy is write.retry_policy is OP_RETRY_POLICY


def test_every_check_is_tried_again_while_a_store_is_away() -> None:
    checks = list(definitions().asset_checks or ())
    assert len(checks) > 10
    assert {each.node_def.retry_policy for each in checks if isinstance(each, dg.AssetChecksDefinition)} == {
        OP_RETRY_POLICY
    }


def test_only_a_broken_table_blocks_what_comes_after() -> None:
    specs = [spec for each in definitions().asset_checks or () for spec in each.check_specs]
    assert {spec.name for spec in specs if spec.blocking} == {"rows_are_valid"}


def test_the_jobs_are_there_and_the_nightly_one_ends_with_the_enriched_catalog() -> None:
    repository = definitions().get_repository_def()
    assert {"nightly_enrichment", "refresh_catalog"} <= set(repository.job_names)
    nightly = definitions().resolve_job_def("nightly_enrichment")
    assert {key.to_user_string() for key in nightly.asset_layer.executable_asset_keys} == set(OURS)
    refresh = definitions().resolve_job_def("refresh_catalog")
    assert {key.to_user_string() for key in refresh.asset_layer.executable_asset_keys} == set(OURS[:2])


def test_runs_execute_in_one_process() -> None:
    assert definitions().resolve_job_def("nightly_enrichment").executor_def.name == "in_process"


def test_the_registry_alone_decides_which_analyses_there_are() -> None:
    fewer = {name: analysis for name, analysis in ANALYSES.items() if name in {"reading_level", "content_summary"}}
    built = build_definitions(Settings(), analyses=AnalysisSet(fewer))
    keys = {spec.key.to_user_string() for spec in built.resolve_all_asset_specs()}
    assert keys & set(ANALYSES) == set(fewer)
    dg.Definitions.validate_loadable(built)


def test_loading_raises_no_warning_of_ours() -> None:
    assert "no warnings" in check()
