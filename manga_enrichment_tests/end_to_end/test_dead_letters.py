"""Dead letters from filling to redrive, over the local stack: what the check says, what the topic hears."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.queues.assets import OBSERVE_JOB
from manga_enrichment.defs.queues.redrive_job import REDRIVE_JOB
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.dead_letters.queue import ORIGINAL_QUEUE, REASON
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.pipeline.dead_letters.dead_letter_world import make_body


@dataclass
class Stage:
    """The code location as it runs against the stack, one Dagster instance, and a queue that hears the alerts."""

    stack: LocalStack
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    alerts_url: str
    cursor: str | None = None

    def url(self, queue: str) -> str:
        return str(self.stack.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"])

    def fill(self, count: int) -> None:
        """Requests of the normal queue that failed, as a worker leaves them: nothing sends those again by itself."""
        said = {ORIGINAL_QUEUE: NORMAL.name, REASON: "model_timeout"}
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in said.items()}
        entries = [{"Id": str(n), "MessageBody": make_body(), "MessageAttributes": attributes} for n in range(count)]
        for start in range(0, count, 10):
            sqs = self.stack.client("sqs")
            sqs.send_message_batch(QueueUrl=self.url(DEAD_LETTERS), Entries=entries[start : start + 10])

    def run(self, job: str, **config: Any) -> dg.ExecuteInProcessResult:
        result = self.definitions.resolve_job_def(job).execute_in_process(instance=self.instance, run_config=config)
        assert result.success
        return result

    def observe(self) -> dg.AssetCheckEvaluation:
        """What the check of the dead letters says after a look and a tick of the alerts."""
        evaluations = self.run(OBSERVE_JOB).get_asset_check_evaluations()
        self.tick()
        return next(each for each in evaluations if each.check_name == "dead_letter_queue_empty")

    def tick(self) -> None:
        sensor, given = self.definitions.resolve_sensor_def("alerts"), self.definitions.resources or {}
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=self.definitions,
            resources={name: given[name] for name in ("notifier", "budget", "clock")},
        ) as context:
            self.cursor = sensor.evaluate_tick(context).cursor

    def heard(self) -> list[dict[str, Any]]:
        """Alerts since the last call."""
        sqs = self.stack.client("sqs")
        messages = sqs.receive_message(QueueUrl=self.alerts_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        found = messages.get("Messages", [])
        for each in found:
            sqs.delete_message(QueueUrl=self.alerts_url, ReceiptHandle=each["ReceiptHandle"])
        return [json.loads(json.loads(each["Body"])["Message"]) for each in found]


@pytest.fixture
def stage(
    local_stack: LocalStack, aws_environment: dict[str, str], fresh_stack_state: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    sqs, sns = local_stack.client("sqs"), local_stack.client("sns")
    name = f"alerts-{uuid.uuid4().hex[:8]}"
    topic, url = sns.create_topic(Name=name)["TopicArn"], sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("MANGA_ALERTS_TOPIC_ARN", topic)
    with dg.DagsterInstance.ephemeral() as instance:
        stage = Stage(local_stack, build_definitions(load_settings()), instance, url)
        stage.tick()
        yield stage


def test_a_queue_of_dead_letters_warns_then_fails_is_told_once_and_is_empty_after_a_redrive(stage: Stage) -> None:
    assert stage.observe().passed
    stage.fill(1)
    warned = stage.observe()
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert stage.heard() == []
    stage.fill(50)
    failed = stage.observe()
    assert (failed.passed, failed.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert failed.metadata["count"].value == 51
    stage.observe()
    (alert,) = stage.heard()
    assert (alert["alert"], alert["numbers"]["count"]) == ("failed", 51)

    redriven = stage.run(REDRIVE_JOB, ops={"redrive": {"config": {"queue": DEAD_LETTERS}}})
    assert redriven.output_for_node("redrive") == 51
    assert stage.observe().passed
    (alert,) = stage.heard()
    assert (alert["alert"], alert["what"]) == ("recovered", "check dead_letter_queue_empty of dead_letter_queues")
    attributes = stage.stack.client("sqs").get_queue_attributes(
        QueueUrl=stage.url(NORMAL.name), AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "51"
