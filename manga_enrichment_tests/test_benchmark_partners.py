"""What `benchmarks partners` counts and compares, without a site."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.partners.__main__ import compared
from benchmarks.partners.counted import sitecustomize
from benchmarks.partners.partner import different_items, p
from benchmarks.partners.staying import STARTS_AN_HOUR, Watched, shares
from benchmarks.partners.work import Work, kind_of


@pytest.mark.parametrize(
    ("headers", "body", "method", "kind"),
    [
        (
            {"X-Amz-Target": b"AmazonSQS.ReceiveMessage"},
            b'{"QueueUrl": "http://127.0.0.1:1/123456789012/manga-fm-normal", "WaitTimeSeconds": 20}',
            "POST",
            "sqs.ReceiveMessage.manga-fm-normal",
        ),
        ({"X-Amz-Target": "DynamoDB_20120810.UpdateItem"}, b"{}", "POST", "dynamodb.UpdateItem"),
        ({"Authorization": b"AWS4-HMAC-SHA256 Credential=local/20261128/eu/s3/aws4_request"}, b"", "PUT", "s3.PUT"),
        ({"Authorization": b"AWS4-HMAC-SHA256 Credential=local/20261128/eu/sns/aws4_request"}, b"", "POST", "other"),
    ],
)
def test_a_call_is_counted_under_its_service_and_operation(
    headers: dict[str, bytes | str], body: bytes, method: str, kind: str
) -> None:
    assert sitecustomize._kind(SimpleNamespace(headers=headers, body=body, method=method)) == kind  # noqa: SLF001


def test_calls_of_a_process_are_bytes_of_a_file(tmp_path: Path) -> None:
    for kind in ("s3.PUT", "s3.GET", "s3.PUT"):
        sitecustomize._count(kind, str(tmp_path))  # noqa: SLF001
    sizes = {file.name.rpartition("-")[0]: file.stat().st_size for file in tmp_path.iterdir()}
    assert sizes == {"s3.PUT": 2, "s3.GET": 1}


def test_numbers_stand_beside_those_of_the_earlier_commit() -> None:
    now = {"drain": {"requests_per_s": 60.0, "lost": 0.0}, "idle resident": {"peak_mb": 200.0}}
    rows = list(compared(now, {"drain": {"requests_per_s": 15.0, "lost": 0.0}}))
    assert [(row["what"], row["now"], row["before"], row["ratio"]) for row in rows] == [
        ("requests_per_s", 60.0, 15.0, 4.0),
        ("lost", 0.0, 0.0, None),
        ("peak_mb", 200.0, None, None),
    ]


def test_percentiles_are_nearest_ranks() -> None:
    assert (p([0.1, 0.2, 0.3, 4.0], 50), p([0.1, 0.2, 0.3, 4.0], 95)) == (0.2, 4.0)


def test_no_two_questions_of_a_drain_are_the_same() -> None:
    items = different_items(["MNG-1", "MNG-2"], "drain")
    assert len({str(next(items)) for _ in range(10)}) == 10


def test_what_a_run_costs_in_an_hour_is_its_idling_and_its_starts() -> None:
    fresh, old = Watched(first_cpu=1.0, first_age=5.0), Watched(first_cpu=90.0, first_age=500.0)
    for seconds, cpu in ((0.0, 1.0), (25.0, 4.0), (75.0, 4.5)):
        fresh.looked(cpu, 5.0 + seconds, seconds, round(cpu * 1e6))
    for seconds, cpu in ((0.0, 90.0), (50.0, 90.1)):
        old.looked(cpu, 500.0 + seconds, seconds)
    brief = Watched(first_cpu=1.0, first_age=5.0)
    brief.looked(1.0, 5.0, 0.0, 900_000_000)
    numbers = shares({1: fresh, 2: old, 3: brief}, 75.0)
    assert numbers["peak_mb"] == pytest.approx(4.5)  # not that of the run that ended
    assert numbers["start_cpu_s"] == 4.0
    assert numbers["idle_cpu_percent_of_one"] == pytest.approx(100 * (0.5 + 0.1) / (50 + 50))
    assert numbers["cpu_percent_all_runs"] == pytest.approx(100 * (3.5 + 0.1) / 75)
    hour = 100 * (0.6 / 100 + 4.0 * STARTS_AN_HOUR / 3600)
    assert numbers["hour_with_starts_cpu_percent_of_one"] == pytest.approx(hour)


def test_a_run_whose_start_nobody_saw_tells_nothing_of_starts() -> None:
    old = Watched(first_cpu=90.0, first_age=500.0)
    old.looked(90.0, 500.0, 0.0)
    with pytest.raises(ValueError, match="no run was seen"):
        shares({1: old}, 10.0)
    old.looked(90.5, 510.0, 10.0)
    numbers = shares({1: old}, 10.0)
    assert numbers["idle_cpu_percent_of_one"] == pytest.approx(5)
    assert not {"start_cpu_s", "hour_with_starts_cpu_percent_of_one"} & numbers.keys()


def test_processes_are_told_apart_by_their_command() -> None:
    python = "python -P -m manga_enrichment.local.stack.guarded 1"
    kinds = {
        f"{python} manga_enrichment.local.stack.emulator": "emulator",
        f"{python} manga_enrichment.local.model_server --port 2": "model",
        "python -B -c from multiprocessing.spawn import spawn_main; spawn_main()": "runs",
        "python -m dagster._daemon run": "servers",
    }
    assert {command: kind_of(command.split()) for command in kinds} == kinds


def test_cpu_counts_from_the_beginning_of_the_watch_on() -> None:
    work = Work(os.getpid())
    assert sum(work.seconds().values()) == 0
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    work.look()
    assert sum(work.seconds().values()) >= 0.1
    gone = Work(2**22 + 1)  # no process has this number
    assert gone.seconds() == {}
