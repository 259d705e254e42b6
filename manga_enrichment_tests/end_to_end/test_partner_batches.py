"""The example batches on the local stack: submitted, pulled, answered, settled."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.assembly import build_definitions
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.aws.sqs import SqsQueues
from manga_enrichment.cli import main
from manga_enrichment.defs.enrichment.jobs import CATALOG_JOB
from manga_enrichment.defs.partner.assets import PARTNER_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, LOW_PRIORITY, SESSION
from manga_enrichment.local.api_client import ApiClient, api_key, api_url
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.partner.stored.results import each_result_once
from manga_enrichment.pipeline.store.hour_groups import read_once
from manga_enrichment.settings import load_settings

BATCHES = Path(__file__).resolve().parents[2] / "data" / "batches"
SENSOR_RESOURCES = ("queues", "requests", "tables", "ledger", "outbox", "clock")
TIMES = ("accepted_at", "claimed_at", "completed_at")
SAMPLE = BATCHES.parent / "catalog" / "sample.jsonl"


def command(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == exit_code, result.output
    return result.stdout


def submitted(name: str, *options: str) -> str:
    return json.loads(command("submit", str(BATCHES / name), "--partner", "acme", "--json", *options))["request_id"]


def status_of(request_id: str, exit_code: int = 0) -> dict[str, Any]:
    return dict(json.loads(command("status", request_id, "--json", "--follow", exit_code=exit_code)))


class Site:
    """The code location over the local stack; runs happen in this process."""

    def __init__(self, folder: Path) -> None:
        self.settings = load_settings()
        self.definitions = build_definitions(self.settings)
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))
        self.cursors: dict[str, str | None] = {}

    def import_catalog(self) -> None:
        buckets = bucket_keys(self.settings.catalog_buckets)
        tags = range_tags(buckets[0], buckets[-1])
        assert (
            self.definitions.resolve_job_def(CATALOG_JOB).execute_in_process(tags=tags, instance=self.instance).success
        )

    def work(self, sensor: str = "partner_requests") -> list[dg.ExecuteInProcessResult]:
        """One tick, and the runs it asks for."""
        resources = {name: (self.definitions.resources or {})[name] for name in SENSOR_RESOURCES}
        with dg.build_sensor_context(
            instance=self.instance,
            definitions=self.definitions,
            cursor=self.cursors.get(sensor),
            resources=resources,
        ) as context:
            data = self.definitions.resolve_sensor_def(sensor).evaluate_tick(context)
        self.cursors[sensor] = data.cursor
        job = self.definitions.resolve_job_def(PARTNER_JOB)
        return [
            job.execute_in_process(
                run_config=request.run_config,
                partition_key=request.partition_key,
                tags=dict(request.tags),
                instance=self.instance,
            )
            for request in data.run_requests or []
        ]


@pytest.fixture
def site(
    aws_environment: dict[str, str], fresh_stack_state: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Site:
    monkeypatch.setenv("MANGA_CATALOG_URI", str(SAMPLE))
    monkeypatch.setenv("MANGA_CONCURRENCY", "8")
    monkeypatch.setenv("MANGA_RESIDENTS", "false")
    site = Site(tmp_path)
    site.import_catalog()
    return site


def test_three_batches_end_as_they_should(site: Site, model_server: ModelServerControl) -> None:
    good, mixed = submitted("good.json"), submitted("with_a_bad_item.json")
    bad = submitted("malformed.json", "--no-check")
    results = site.work()
    assert [result.success for result in results] == [True, True]  # high priority and normal

    status = status_of(good)
    assert (status["status"], status["counts"]) == ("completed", {"items": 6, "succeeded": 6})
    document = json.loads(command("results", good))
    assert [item["analysis_type"] for item in document["items"]][:2] == ["full_enrichment", "genre_classification"]
    assert document["items"][1]["answer"] == document["items"][5]["answer"]
    assert document["cost_usd"] == pytest.approx(status["cost_usd"])

    status = status_of(mixed)
    assert (status["status"], status["counts"]) == ("partially_completed", {"items": 3, "failed": 1, "succeeded": 2})
    assert json.loads(command("results", mixed))["items"][1]["error"]["class"] == "unknown_title"

    status = status_of(bad, exit_code=1)
    assert (status["status"], status["error_class"]) == ("rejected", "invalid_body")
    [letter] = SqsQueues(AwsClients().sqs).receive(DEAD_LETTERS, max_messages=10, wait_seconds=0)
    assert letter.attributes["dead_letter_reason"] == "invalid_body"

    tables = S3ObjectStore(AwsClients().s3, bucket=site.settings.bucket)
    results = read_once(tables, "enrichment/partner_results/", each_result_once)
    assert {row["request_id"] for table in results for row in table.to_pylist()} == {good, mixed}
    assert model_server.counters()["billed"] == 7  # each different item with a title once


def test_a_batch_sent_over_http_is_answered_and_its_partner_can_follow_it(site: Site, local_stack: LocalStack) -> None:
    """From POST to result, by way of API Gateway, the queue, the sensor and a run; nobody else sees any of it."""
    url = api_url(local_stack.endpoints.emulator_url, local_stack.outputs)
    acme = ApiClient(url, api_key(local_stack.client("apigateway"), "acme-1"))
    sent = acme.call("POST", ENDPOINTS["batch"].path, json.loads((BATCHES / "over_http.json").read_text("utf-8")))
    assert sent.status == 202
    status_path = sent.document["data"]["status_path"]
    assert acme.call("GET", status_path).document["data"]["status"] == "accepted"

    [run] = site.work()
    assert run.success
    answer = acme.call("GET", status_path)
    assert (answer.status, answer.document["data"]["status"]) == (200, "completed")
    assert answer.document["data"]["counts"] == {"items": 2, "succeeded": 2}
    assert answer.document["data"]["cost_usd"] > 0
    row = local_stack.client("dynamodb").get_item(
        TableName=local_stack.outputs["RequestStatusTableName"],
        Key={"request_id": {"S": sent.document["data"]["request_id"]}},
    )["Item"]
    assert (row["partner_id"]["S"], row["queue"]["S"]) == ("acme", LOW_PRIORITY.name)
    secrets = [row[name]["S"] for name in ("receipt_handle", "message_id", "owner", "run_id", "body_key")]
    assert not [secret for secret in secrets if secret in json.dumps(answer.document)]
    times = [row[name]["S"] for name in TIMES]
    assert times == sorted(times)
    tables = S3ObjectStore(AwsClients().s3, bucket=site.settings.bucket)
    [results] = read_once(tables, "enrichment/partner_results/", each_result_once)
    first = results.to_pylist()[0]
    assert [first[name].isoformat(timespec="microseconds") for name in TIMES] == times
    assert (first["queue"], first["by_api"]) == (LOW_PRIORITY.name, True)
    assert 0 < first["model_seconds"] < (first["completed_at"] - first["claimed_at"]).total_seconds()


def test_the_same_batch_again_bills_nothing(site: Site, model_server: ModelServerControl) -> None:
    submitted("good.json")
    site.work()
    billed = model_server.counters()["billed"]
    again = submitted("good.json")
    site.work()
    assert status_of(again)["cost_usd"] == 0
    assert model_server.counters()["billed"] == billed


def test_an_invalid_file_is_refused_with_all_its_faults_before_it_is_sent(aws_environment: dict[str, str]) -> None:
    result = CliRunner().invoke(main, ["submit", str(BATCHES / "malformed.json")])
    assert result.exit_code == 1
    for path in ("items.0.manga_id", "items.1.analysis_type", "items.2", "callback_url", "priority"):
        assert f"  {path}: " in result.output


def test_a_question_is_answered_in_its_session(site: Site, tmp_path: Path) -> None:
    question = tmp_path / "question.json"
    question.write_text(
        json.dumps({"query": "灯台の漫画は？", "conversation_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7"})
    )
    sent = json.loads(command("submit", str(question), "--schema", "manga_query", "--json"))
    assert sent["queue"] == SESSION.name
    [result] = site.work("partner_conversations")
    assert result.success
    assert "stand-in" in json.loads(command("results", sent["request_id"]))["items"][0]["answer"]["reply"]


def test_a_request_nobody_has_seen_says_so(aws_environment: dict[str, str]) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    result = CliRunner().invoke(main, ["status", unknown])
    assert result.exit_code == 1
    assert "No worker has seen request" in result.output
