"""The offline server's batch jobs, as a boto3 client of the service sees them."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from manga_enrichment.aws.bedrock.claude_messages import model_input
from manga_enrichment.aws.bedrock.converse import request_body
from manga_enrichment.domain.models.batch_jobs import MIN_RECORDS
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.local.model_server.app import create_app
from manga_enrichment.local.model_server.serving import ModelServer
from manga_enrichment.local.model_server.state import ServerState
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.contracts.prompts import make_request, model

pytestmark = pytest.mark.slow

SPEC = model("haiku-batch")
INPUT, OUTPUT = "s3://a-bucket/in/records.jsonl", "s3://a-bucket/out/"
LOOKS = 500


class MemoryFiles:
    """BatchFiles."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def inputs(self, uri: str) -> dict[str, bytes]:
        return {key.rpartition("/")[2]: body for key, body in self.objects.items() if key.startswith(uri)}

    def write(self, uri: str, content: bytes) -> None:
        self.objects[uri] = content


class Server:
    """A server of its own with files in memory."""

    def __init__(self, url: str, files: MemoryFiles) -> None:
        self.files = files
        self.control = ModelServerControl(url)
        self.bedrock = boto3.client("bedrock", endpoint_url=url, region_name="ap-northeast-1")

    def put(self, count: int = MIN_RECORDS, body: dict[str, Any] | None = None) -> None:
        given = body or model_input(make_request("reading_level", SPEC))
        lines = (json.dumps({"recordId": f"r{number}", "modelInput": given}) for number in range(count))
        self.files.objects[INPUT] = "\n".join(lines).encode()

    def create(self, request: str = "first", **changes: Any) -> str:
        asked = {
            "jobName": "a-job",
            "clientRequestToken": request,
            "roleArn": "arn:aws:iam::123456789012:role/batch",
            "modelId": SPEC.model_id,
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": INPUT}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": OUTPUT}},
            **changes,
        }
        return str(self.bedrock.create_model_invocation_job(**asked)["jobArn"])

    def get(self, arn: str) -> dict[str, Any]:
        return dict(self.bedrock.get_model_invocation_job(jobIdentifier=arn))

    def ended(self, arn: str) -> dict[str, Any]:
        for _ in range(LOOKS):
            job = self.get(arn)
            if "endTime" in job or job["status"] == "Failed":
                return job
            time.sleep(0.02)
        raise AssertionError(f"the job does not end: {self.get(arn)}")

    def output(self, arn: str) -> dict[str, dict[str, Any]]:
        body = self.files.objects[f"{OUTPUT}{arn.rpartition('/')[2]}/records.jsonl.out"]
        lines = [json.loads(line) for line in body.splitlines()]
        return {line["recordId"]: line for line in lines}


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    files, urls, listening = MemoryFiles(), [], threading.Event()

    def on_ready(url: str) -> None:
        urls.append(url)
        listening.set()

    state = ServerState(load_models(), batch_files=files)
    http = ModelServer(create_app(state), "127.0.0.1", 0, on_ready)
    thread = threading.Thread(target=http.run, daemon=True)
    thread.start()
    assert listening.wait(30)
    server = Server(urls[0], files)
    yield server
    server.bedrock.close()
    http.should_exit = True
    thread.join(30)


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    running.control.reset()
    running.files.objects.clear()
    running.put()
    yield running
    running.control.reset()


def test_a_job_answers_its_records_at_half_the_price(server: Server) -> None:
    job = server.ended(arn := server.create())
    assert job["status"] == "Completed"
    assert (job["totalRecordCount"], job["successRecordCount"], job["errorRecordCount"]) == (100, 100, 0)
    usage = next(iter(server.output(arn).values()))["modelOutput"]["usage"]
    one = Usage(usage["input_tokens"], usage["output_tokens"])
    counters = server.control.counters()
    assert counters["billed"] == counters["requests"] == 100
    assert counters["cost_micro_usd"] == 100 * cost_micro_usd(one, SPEC.price, batch=True)
    assert 2 * cost_micro_usd(one, SPEC.price, batch=True) - cost_micro_usd(one, SPEC.price) in {0, 1}


def test_the_output_is_shuffled_and_has_a_manifest(server: Server) -> None:
    server.ended(arn := server.create())
    ids = list(server.output(arn))
    assert sorted(ids) == sorted(f"r{number}" for number in range(100))
    assert ids != [f"r{number}" for number in range(100)]
    manifest = json.loads(server.files.objects[f"{OUTPUT}{arn.rpartition('/')[2]}/manifest.json.out"])
    assert manifest["processedRecordCount"] == 100
    assert manifest["inputTokenCount"] == server.control.counters()["input_tokens"]


def test_the_same_token_makes_one_job_and_one_bill(server: Server) -> None:
    arn = server.create()
    assert server.create() == arn
    server.ended(arn)
    assert server.create() == arn
    assert server.control.counters()["billed"] == 100


def test_a_converse_job_fails_every_record_with_a_tool(server: Server) -> None:
    server.put(body=request_body(make_request("reading_level", SPEC)))
    server.ended(arn := server.create(modelInvocationType="Converse"))
    assert {line["error"]["errorCode"] for line in server.output(arn).values()} == {400}
    assert server.control.counters()["billed"] == 0


def test_too_few_records_fail_the_job(server: Server) -> None:
    server.put(MIN_RECORDS - 1)
    job = server.ended(server.create())
    assert job["status"] == "Failed"
    assert str(MIN_RECORDS) in job["message"]


def test_an_input_that_is_not_there_or_not_json_fails_the_job(server: Server) -> None:
    server.files.objects[INPUT] = b"not json\n" * 100
    assert server.ended(server.create())["status"] == "Failed"
    server.files.objects.clear()
    assert server.ended(server.create("another"))["status"] == "Failed"


@pytest.mark.parametrize("status", ["Failed", "Expired"])
def test_a_job_can_be_told_to_end_without_output(server: Server, status: str) -> None:
    server.control.faults(batch={"ends_as": status})
    assert server.ended(server.create())["status"] == status
    assert list(server.files.objects) == [INPUT]
    assert server.control.counters()["billed"] == 0


def test_a_partially_completed_job_has_half_of_its_records(server: Server) -> None:
    server.control.faults(batch={"ends_as": "PartiallyCompleted"})
    job = server.ended(arn := server.create())
    assert (job["status"], len(server.output(arn)), job["processedRecordCount"]) == ("PartiallyCompleted", 50, 50)


def test_records_fail_and_get_lost_with_their_probabilities(server: Server) -> None:
    server.control.faults(batch={"record_error_probability": 0.3, "missing_probability": 0.3})
    server.ended(arn := server.create())
    lines = server.output(arn).values()
    failed = sum("error" in line for line in lines)
    counters = server.control.counters()
    assert 10 < failed < 50
    assert 10 < 100 - len(lines) < 50
    assert counters["errors"] == failed
    assert counters["billed"] == 100 - failed


def test_refusals_and_broken_answers_come_in_batches_too(server: Server) -> None:
    server.control.faults(refusal_probability=1.0)
    server.ended(arn := server.create())
    assert {line["modelOutput"]["content"][0]["type"] for line in server.output(arn).values()} == {"text"}


def test_a_job_shows_its_states_and_can_be_stopped(server: Server) -> None:
    server.control.faults(batch={"step_seconds": 0.3})
    arn = server.create()
    assert server.get(arn)["status"] in {"Submitted", "Validating"}
    server.bedrock.stop_model_invocation_job(jobIdentifier=arn)
    assert server.get(arn)["status"] in {"Stopping", "Stopped"}
    assert server.ended(arn)["status"] == "Stopped"
    assert server.control.counters()["billed"] == 0
    with pytest.raises(ClientError, match="ConflictException"):
        server.bedrock.stop_model_invocation_job(jobIdentifier=arn)


def test_jobs_are_listed_by_name_and_status_newest_first(server: Server) -> None:
    arns = [server.create(f"token{number}", jobName=f"job-{number}") for number in range(3)]
    for arn in arns:
        server.ended(arn)
    listed = server.bedrock.list_model_invocation_jobs(nameContains="job-")["invocationJobSummaries"]
    assert [job["jobArn"] for job in listed] == arns[::-1]
    assert server.bedrock.list_model_invocation_jobs(statusEquals="Failed")["invocationJobSummaries"] == []
    pages = server.bedrock.get_paginator("list_model_invocation_jobs").paginate(
        sortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    assert [job["jobArn"] for page in pages for job in page["invocationJobSummaries"]] == arns


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"modelId": model("haiku").model_id}, "does not support batch inference"),
    ({"modelId": "no.such-model"}, "identifier is invalid"),
    ({"jobName": "a job"}, "jobName"),
    ({"roleArn": "batch"}, "roleArn"),
    ({"timeoutDurationInHours": 200}, "timeoutDurationInHours"),
    ({"modelInvocationType": "Guess"}, "modelInvocationType"),
    ({"inputDataConfig": {"s3InputDataConfig": {"s3Uri": "records.jsonl"}}}, "s3Uri"),
]


@pytest.mark.parametrize(("changes", "word"), REFUSED, ids=[word for _, word in REFUSED])
def test_a_wrong_order_is_refused_as_the_service_would(server: Server, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ClientError, match=word) as error:
        server.create("wrong", **changes)
    assert error.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("call", ["get_model_invocation_job", "stop_model_invocation_job"])
def test_an_unknown_job_is_not_found(server: Server, call: str) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        getattr(server.bedrock, call)(jobIdentifier="abcdefghijkl")
