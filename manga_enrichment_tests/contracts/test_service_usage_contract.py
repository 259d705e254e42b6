"""ServiceUsage: what the service counted comes back by model, metric and hour; what was not used is not there."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from manga_enrichment.aws.bedrock.calls import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.service_usage import NAMESPACE, CloudWatchServiceUsage
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.operations.service_books import HOUR, ServiceMetric, expected_of_answer
from manga_enrichment.gateways.service_usage import ServiceUsage
from manga_enrichment.local.model_server.app import SEND_INTERVAL_SECONDS
from manga_enrichment.local.model_server.service_metrics import ServiceMetrics
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.contracts.prompts import make_request
from manga_enrichment_tests.health_fakes import MemoryServiceUsage

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - HOUR
BEGIN = NOW.replace(minute=0) - HOUR
USAGE = Usage(100, 50, 1_000, 10)
PROFILE = "arn:aws:bedrock:ap-northeast-1:123456789012:application-inference-profile/"
Count = Callable[[str, datetime, Usage], None]


@pytest.fixture
def service(kind: str, request: pytest.FixtureRequest) -> tuple[ServiceUsage, Count]:
    if kind == "fake":
        memory = MemoryServiceUsage()
        return memory, memory.count
    clients: AwsClients = request.getfixturevalue("aws_clients")

    def count(model_id: str, at: datetime, usage: Usage) -> None:
        metrics = ServiceMetrics(clients.cloudwatch, at.timestamp)
        metrics.count(model_id, usage)
        metrics.send(metrics.take())

    return CloudWatchServiceUsage(clients.cloudwatch), count


def test_sums_come_back_by_model_metric_and_hour(service: tuple[ServiceUsage, Count], unique: str) -> None:
    usage, count = service
    for at in (NOW, NOW + timedelta(minutes=7), NOW - HOUR):
        count(f"{unique}-one", at, USAGE)
    count(f"{unique}-two", NOW, USAGE)
    found = usage.by_hour([f"{unique}-one", f"{unique}-three"], BEGIN, BEGIN + 2 * HOUR)
    for metric, value in expected_of_answer(USAGE).items():
        assert found[f"{unique}-one", metric] == {BEGIN: value, BEGIN + HOUR: 2 * value}
    assert {model_id for (model_id, _metric), sums in found.items() if sums} == {f"{unique}-one"}


def test_hours_outside_are_left_out(service: tuple[ServiceUsage, Count], unique: str) -> None:
    usage, count = service
    count(unique, NOW, USAGE)
    found = usage.by_hour([unique], BEGIN, BEGIN + HOUR)
    assert not any(found.values())


@pytest.mark.stack
def test_a_profile_that_is_called_by_its_arn_is_found_under_its_last_part(aws_clients: AwsClients, unique: str) -> None:
    for name in (unique, PROFILE + f"{unique}-arn"):
        data = {"MetricName": "Invocations", "Timestamp": NOW, "Value": 3.0}
        data["Dimensions"] = [{"Name": "ModelId", "Value": name}]
        aws_clients.cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[data])
    usage = CloudWatchServiceUsage(aws_clients.cloudwatch)
    asked = [PROFILE + unique, PROFILE + f"{unique}-arn"]
    found = usage.by_hour(asked, BEGIN, BEGIN + 2 * HOUR)
    for model_id in asked:
        assert found[model_id, ServiceMetric.INVOCATIONS] == {BEGIN + HOUR: 3}


@pytest.mark.stack
async def test_the_offline_server_publishes_what_it_bills(
    local_stack: LocalStack, aws_environment: dict[str, str], aws_clients: AwsClients
) -> None:
    usage = CloudWatchServiceUsage(aws_clients.cloudwatch)
    model_id = make_request().model.model_id
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)

    def counted() -> dict[str, int]:
        found = usage.by_hour([model_id], begin, begin + 2 * HOUR)
        return {metric.value: sum(found.get((model_id, metric), {}).values()) for metric in ServiceMetric}

    await asyncio.sleep(2 * SEND_INTERVAL_SECONDS)  # what earlier tests asked has arrived
    before = counted()
    model: Any = BedrockModel(AwsClients(), concurrency=4, call_timeout_seconds=30)
    replies = [await model.converse(make_request()) for _ in range(3)]
    await model.close()
    total = sum((reply.usage for reply in replies), Usage())
    expected = {**expected_of_answer(total), ServiceMetric.INVOCATIONS: 3}
    wanted = {metric.value: before[metric.value] + value for metric, value in expected.items()}
    for _ in range(50):
        if counted() == wanted:
            return
        await asyncio.sleep(SEND_INTERVAL_SECONDS / 5)
    assert counted() == wanted
