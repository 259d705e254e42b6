"""The batch lane over HTTP: submit, follow, publish; the bill, the log and the budget agree to the micro-dollar."""

import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.defs.batch.job import BATCH_JOB
from manga_enrichment.defs.batch.sensor import BATCH_SENSOR
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.models.batch_jobs import BATCH_ALIAS
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.settings import Settings, load_settings
from manga_enrichment_tests.builders import SINGLES, catalog_row, write_source

SPEC = load_models().resolve(BATCH_ALIAS)
TITLES = 110
KEYS = bucket_keys(2)
TICKS = 200

pytestmark = pytest.mark.usefixtures("aws_environment", "fresh_stack_state")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    source = write_source(tmp_path / "catalog.jsonl", [catalog_row(number) for number in range(TITLES)])
    monkeypatch.setenv("MANGA_CATALOG_URI", str(source))
    monkeypatch.setenv("MANGA_CATALOG_BUCKETS", "2")
    monkeypatch.setenv("MANGA_MODEL_ALIASES", f'{{"haiku": "{SPEC.model_id}"}}')
    monkeypatch.setenv("MANGA_BATCH_MIN_TITLES", "100")
    return load_settings()


def night(definitions: dg.Definitions, lane: str) -> dg.ExecuteInProcessResult:
    config = {"ops": {"enrichment": {"ops": {"plan": {"config": {"lane": lane}}}}}}
    job = definitions.resolve_job_def(NIGHTLY_JOB)
    return job.execute_in_process(tags=range_tags(*KEYS), run_config=config)


def tick_until_runs(definitions: dg.Definitions) -> list[dg.RunRequest]:
    sensor, cursor = definitions.get_repository_def().get_sensor_def(BATCH_SENSOR), None
    for _ in range(TICKS):
        with dg.build_sensor_context(cursor=cursor, resources=dict(definitions.resources or {})) as context:
            result = sensor.evaluate_tick(context)
        if result.run_requests:
            return list(result.run_requests)
        cursor = result.cursor
        time.sleep(0.05)
    raise AssertionError("the job was not collected")


def log(tables: S3ObjectStore) -> list[dict[str, Any]]:
    stored = (tables.read(key) for key in tables.list_keys("enrichment/requests/"))
    return [row for each in stored if each for row in each.table.to_pylist()]


def rows(tables: S3ObjectStore, name: str) -> int:
    stored = (tables.read(f"enrichment/{name}/bucket={bucket}/part.parquet") for bucket in KEYS)
    return sum(each.table.num_rows for each in stored if each)


def test_a_backfill_by_batch_costs_half_and_the_run_that_publishes_it_bills_nothing(
    settings: Settings, model_server: ModelServerControl
) -> None:
    tables = S3ObjectStore(AwsClients().s3, bucket=settings.bucket)
    definitions = build_definitions(settings)
    assert night(definitions, "batch").success
    assert rows(tables, "content_summary") == 0
    requests = tick_until_runs(definitions)
    before = model_server.counters()
    assert (before["billed"], before["duplicates"]) == (TITLES, 0)
    for request in requests:
        job = definitions.resolve_job_def(BATCH_JOB)
        assert job.execute_in_process(
            tags=dict(request.tags), asset_selection=list(request.asset_selection or ())
        ).success
    assert model_server.counters()["requests"] == before["requests"]
    assert [rows(tables, name) for name in (*SINGLES, "enriched_catalog")] == [TITLES] * 5
    sent = [row for row in log(tables) if row["attempt"]]
    assert (len(sent), {row["lane"] for row in sent}) == (TITLES, {"batch"})
    cost = sum(row["cost_micro_usd"] for row in sent)
    assert cost == before["cost_micro_usd"]
    day = open_gateways(settings).budget.spent(f"day:{run_dates(tables)[0]}")
    assert day == (cost, cost)
    on_demand = sum(cost_micro_usd(Usage(row["input_tokens"], row["output_tokens"]), SPEC.price) for row in sent)
    assert 0 <= 2 * cost - on_demand <= TITLES


def test_faults_in_a_batch_are_mended_on_demand_and_every_micro_dollar_is_logged(
    settings: Settings, model_server: ModelServerControl
) -> None:
    tables = S3ObjectStore(AwsClients().s3, bucket=settings.bucket)
    definitions = build_definitions(settings)
    model_server.faults(batch={"record_error_probability": 0.05}, invalid_answer_probability=0.05, seed=3)
    assert night(definitions, "batch").success
    requests = tick_until_runs(definitions)
    model_server.faults()
    for request in requests:
        job = definitions.resolve_job_def(BATCH_JOB)
        assert job.execute_in_process(
            tags=dict(request.tags), asset_selection=list(request.asset_selection or ())
        ).success
    assert rows(tables, "content_summary") == TITLES
    lanes = {row["lane"] for row in log(tables) if row["attempt"]}
    assert lanes == {"batch", "on_demand"}
    assert sum(row["cost_micro_usd"] for row in log(tables)) == model_server.counters()["cost_micro_usd"]


def run_dates(tables: S3ObjectStore) -> list[str]:
    keys = tables.list_keys("enrichment/requests/")
    return sorted({key.split("run_date=")[1].split("/")[0] for key in keys})
