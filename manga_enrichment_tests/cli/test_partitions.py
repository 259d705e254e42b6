"""`status --partitions`: the status table's rows of catalog buckets, over the local stack."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.gateways.status import PartitionStatus
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.cli.conftest import Command

BUCKETS = 256


@pytest.fixture(autouse=True)
def many_buckets(aws_environment: dict[str, str], fresh_stack_state: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_CATALOG_BUCKETS", str(BUCKETS))


def status_of(gateways: Gateways, analysis: str, bucket: str, **fields: Any) -> PartitionStatus:
    made = PartitionStatus(
        analysis=analysis,
        bucket=bucket,
        status="completed",
        run_id="run-1",
        trigger="schedule",
        updated_at=gateways.clock.now() - timedelta(hours=1),
        counts={"succeeded": 12},
        cost_micro_usd=123_456,
    )
    made = replace(made, **fields)
    gateways.status.put_partition(made)
    return made


def test_every_bucket_that_a_run_has_written_is_listed_by_analysis(command: Command, gateways: Gateways) -> None:
    buckets = bucket_keys(BUCKETS)
    for bucket in buckets:
        status_of(gateways, "reading_level", bucket)
    status_of(gateways, "content_summary", buckets[-1])
    listed = json.loads(command("status", "--partitions", "--json").stdout)
    found = {name: [each["bucket"] for each in listed if each["analysis"] == name] for name in ANALYSES}
    expected = {**{name: [] for name in ANALYSES}, "reading_level": buckets, "content_summary": [buckets[-1]]}
    assert found == expected


def test_a_row_says_what_happened_by_which_run_and_what_it_cost(command: Command, gateways: Gateways) -> None:
    bucket = bucket_keys(BUCKETS)[7]
    made = status_of(
        gateways,
        "reading_level",
        bucket,
        status="partially_completed",
        counts={"succeeded": 12, "deferred": 3},
        error_class="throttled",
    )
    [document] = json.loads(command("status", "--partitions", "--analysis", "reading_level", "--json").stdout)
    assert document == {
        "analysis": "reading_level",
        "bucket": bucket,
        "status": "partially_completed",
        "run_id": "run-1",
        "trigger": "schedule",
        "updated_at": made.updated_at.isoformat(),
        "counts": {"succeeded": 12, "deferred": 3},
        "cost_usd": 0.123456,
        "error_class": "throttled",
    }
    table = command("status", "--partitions").stdout
    [line] = [line for line in table.splitlines() if "partially_completed" in line]
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    moment = f"{made.updated_at:%Y-%m-%d %H:%M:%S}"
    titles = "3 deferred, 12 succeeded"
    assert cells == [
        "reading_level", bucket, "partially_completed", "run-1", "schedule", moment, titles, "0.123456", "throttled"
    ]  # fmt: skip
    assert f"1 of {len(ANALYSES) * BUCKETS} partitions; no run has written the others yet" in table


def test_one_analysis_is_listed_alone(command: Command, gateways: Gateways) -> None:
    for name in ANALYSES:
        status_of(gateways, name, bucket_keys(BUCKETS)[0])
    listed = json.loads(command("status", "--partitions", "--analysis", "content_summary", "--json").stdout)
    assert [each["analysis"] for each in listed] == ["content_summary"]


def test_before_the_first_night_there_is_nothing(command: Command) -> None:
    assert json.loads(command("status", "--partitions", "--json").stdout) == []
    assert f"0 of {len(ANALYSES) * BUCKETS} partitions" in command("status", "--partitions").stdout


def test_an_unknown_analysis_ends_with_the_known_ones(command: Command) -> None:
    result = command("status", "--partitions", "--analysis", "mood")
    assert (result.exit_code, "choose one of" in result.output) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--follow",),
        ("--analysis", "reading_level"),
        ("--partitions", "--follow"),
        ("--partitions", "3f0b7a0e-7f0e-4f0e-8f0e-3f0b7a0e7f0e"),
        ("--analysis", "reading_level", "3f0b7a0e-7f0e-4f0e-8f0e-3f0b7a0e7f0e"),
    ],
)
def test_a_request_and_the_partitions_are_two_questions(command: Command, words: tuple[str, ...]) -> None:
    result = command("status", *words)
    assert result.exit_code == 2
    assert "either REQUEST_ID [--follow], or --partitions" in result.output


def test_a_terminal_does_not_obey_what_a_partition_says(command: Command, gateways: Gateways) -> None:
    status_of(gateways, "reading_level", bucket_keys(BUCKETS)[0], trigger="who\x1b[2J", error_class=":bomb:\x07")
    shown = command("status", "--partitions", "--analysis", "reading_level").stdout
    assert "who\\x1b[2J" in shown
    assert ":bomb:\\x07" in shown
    assert all(line.isprintable() for line in shown.split("\n"))
