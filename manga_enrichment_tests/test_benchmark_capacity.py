"""docs/capacity.md is what its figures come to, and requests are weighed as AWS bills them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.capacity.__main__ import page
from benchmarks.capacity.needs import (
    CONCURRENCY,
    FIGURES,
    SERVERS_GB,
    SERVERS_VCPU,
    TASK_GB,
    TASK_VCPU,
    TASKS_OF_A_NIGHT,
    Night,
    dynamodb_usd,
    kept_usd,
    partners,
    s3_usd,
    task_hours_usd,
)
from benchmarks.capacity.night import billed, weight
from manga_enrichment.settings import Settings
from manga_enrichment_tests.infra.dagster_stack import properties

REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_page_is_what_the_command_prints() -> None:
    assert (REPOSITORY / "docs" / "capacity.md").read_text("utf-8") == page()


def test_what_it_reckons_with_is_what_is_deployed() -> None:
    instance = yaml.safe_load((REPOSITORY / "deploy" / "dagster.yaml").read_text("utf-8"))
    limits = {each["key"]: each["limit"] for each in instance["concurrency"]["runs"]["tag_concurrency_limits"]}
    assert limits["night"] == TASKS_OF_A_NIGHT
    assert Settings.model_fields["concurrency"].default == CONCURRENCY

    def size(*tasks: str) -> tuple[float, float]:
        found = [properties(task) for task in tasks]
        return sum(int(each["Cpu"]) for each in found) / 1024, sum(int(each["Memory"]) for each in found) / 1024

    assert size("RunTask") == (TASK_VCPU, TASK_GB)
    assert size("CodeServerTask", "WebserverTask", "DaemonTask") == (SERVERS_VCPU, SERVERS_GB)


def test_every_figure_has_a_source() -> None:
    for name, table in FIGURES.items():
        assert table["source"], name
    assert all(value > 0 for table in FIGURES.values() for value in table.values() if isinstance(value, int | float))


def test_a_larger_catalog_takes_more_tasks_until_there_are_no_more_and_then_longer() -> None:
    small, large, larger = Night(100_000), Night(10_000_000), Night(20_000_000)
    assert small.tasks == 1
    assert large.tasks == larger.tasks == TASKS_OF_A_NIGHT
    assert larger.hours == pytest.approx(2 * large.hours)
    assert Night(1_000_000).hours <= 8
    assert large.requests_per_minute > large.rate * 60, "a told quota is not used to the last call"
    assert [Night(n).buckets for n in (100_000, 1_000_000, 5_000_000)] == [8, 64, 256]


def test_prices_are_by_the_unit_that_they_are_of() -> None:
    assert dynamodb_usd(1e6, 1e6) == pytest.approx(0.75)
    assert s3_usd(1000, 1000) == pytest.approx(0.0054)
    assert task_hours_usd(10, 1, 4) == pytest.approx(10 * (0.04048 + 4 * 0.004445))
    assert kept_usd(2_000_000) == pytest.approx(2 * kept_usd(1_000_000))
    rows = dict(partners(1_000_000))
    assert rows["SQS requests"] == "4 M, 2.00 USD"
    assert rows["API Gateway calls"] == "2 M, 7.00 USD"


ITEM = {"fingerprint": {"S": "x" * 1000}, "answer": {"M": {"genre": {"S": "drama"}, "score": {"N": "0.5"}}}}


def test_an_item_is_weighed_by_names_and_values() -> None:
    assert weight({"ab": {"S": "cde"}}) == 2 + 3 + 1
    assert weight({"S": "x"}) == 2, "a type is no name"
    assert weight(ITEM) > 1000


@pytest.mark.parametrize(
    ("operation", "body", "writes", "half_reads"),
    [
        ("PutItem", {"Item": {"a": {"S": "x"}}}, 1, 0),
        ("PutItem", {"Item": ITEM}, 2, 0),
        ("UpdateItem", {}, 1, 0),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"Item": ITEM}}, {"Update": {}}]}, 2 * 2 + 2, 0),
        ("GetItem", {}, 0, 1),
        ("GetItem", {"ConsistentRead": True}, 0, 2),
        ("BatchGetItem", {"RequestItems": {"t": {"Keys": [{}, {}, {}], "ConsistentRead": True}}}, 0, 6),
    ],
)
def test_a_request_takes_the_units_that_aws_bills(
    operation: str, body: dict[str, Any], writes: int, half_reads: int
) -> None:
    units = billed(operation, body)
    assert (units["write"], units["half reads"], units[operation]) == (writes, half_reads, 1)
