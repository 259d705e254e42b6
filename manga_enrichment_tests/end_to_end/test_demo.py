"""`manga-enrichment demo` as a user runs it: killed in the middle, run again, and run once more for nothing. Then
`manga-enrichment dev` over what it left, with a batch from a second shell.

Its catalog is the part of the shipped one that the example batches ask about, and some titles more.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest

from manga_enrichment.local.demo.command import STOPPED
from manga_enrichment.local.stack.callback_receiver import ReceivedCallback, read_callbacks
from manga_enrichment.local.stack.local_stack import connect
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.local.stack.processes import free_port
from manga_enrichment_tests.builders import SINGLES

REPOSITORY = Path(__file__).parents[2]
SAMPLE, BATCHES = REPOSITORY / "data" / "catalog" / "sample.jsonl", REPOSITORY / "data" / "batches"
TITLES = 80
CONCURRENCY = 4
SECONDS = 180


def titles_of_the_demo() -> list[str]:
    """Lines of the sample catalog."""
    asked = "".join(file.read_text("utf-8") for file in BATCHES.glob("*.json"))
    lines = SAMPLE.read_text("utf-8").splitlines(keepends=True)
    titles = {row["manga_id"]: line for line in lines if is_title(row := json.loads(line))}
    return [titles[each] for each in sorted(titles, key=lambda title: title not in asked)[:TITLES]]


def is_title(row: dict[str, Any]) -> bool:
    """The sample has rows that the import rejects."""
    return re.fullmatch("MNG-[0-9A-Z]{8}", row.get("manga_id") or "") is not None and bool(row.get("title"))


class Demo:
    """The command over a state folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.state_dir = folder / "state"
        self.catalog = folder / "catalog.jsonl"
        self.catalog.write_text("".join(titles_of_the_demo()), "utf-8")

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """The command with these words. stderr, for people, is left out."""
        program = "from manga_enrichment.cli import main; main()"  # what the console script says
        command = [sys.executable, "-c", program, *words]
        settings = {
            "MANGA_CATALOG_URI": str(self.catalog),
            "MANGA_CATALOG_BUCKETS": "2",
            "MANGA_CLAIM_SECONDS": "5",
            "MANGA_CLOCK_SKEW_SECONDS": "2",
        }
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start_demo(self) -> "subprocess.Popen[str]":
        return self.start("demo", "--json", "--state-dir", str(self.state_dir), "--concurrency", str(CONCURRENCY))

    def run(self) -> dict[str, Any]:
        """The JSON line of a demo to the end."""
        with self.start_demo() as process:
            return self.last_line(process)

    @contextmanager
    def dev(self) -> Iterator[None]:
        """`make dev` until the end of the block, which it must leave by Ctrl-C."""
        with self.start("dev", "--state-dir", str(self.state_dir), "--port", str(free_port())) as process:
            try:
                self.model_server()
                yield
            finally:
                process.send_signal(signal.SIGINT)
                said, _ = process.communicate(timeout=SECONDS)
        assert f"--local --state-dir {self.state_dir} submit " in said

    def from_second_shell(self, *words: str) -> dict[str, Any]:
        """The JSON line of a command on the stack that another process runs."""
        with self.start("--local", "--state-dir", str(self.state_dir), *words, "--json") as process:
            return self.last_line(process)

    def asked(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query in a second shell."""
        with self.start("--local", "--state-dir", str(self.state_dir), "sql", sql, "--format", "json") as process:
            output, _ = process.communicate(timeout=SECONDS)
        return [json.loads(line) for line in output.splitlines()]

    def last_line(self, process: "subprocess.Popen[str]") -> dict[str, Any]:
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, output
        line: dict[str, Any] = json.loads(output.splitlines()[-1])
        return line

    def model_server(self) -> ModelServerControl:
        """Of the stack that the command started; waits for it."""
        end = time.monotonic() + SECONDS
        while (endpoints := connect(self.state_dir)) is None:
            assert time.monotonic() < end
            time.sleep(0.1)
        return ModelServerControl(endpoints.model_url)

    def run_and_end(self, number: signal.Signals, after_calls: int) -> int:
        """End it by a signal after so many billed calls; returns how many it was billed by then."""
        with self.start_demo() as process:
            server = self.model_server()
            server.faults(latency={"fixed_ms": 100})
            before = int(server.counters()["billed"])
            while (billed := int(server.counters()["billed"]) - before) < after_calls:
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(number)
        assert process.returncode == (STOPPED if number == signal.SIGINT else -number)
        return billed

    def callback_of(self, request_id: str) -> ReceivedCallback:
        """What the partner's server was told; waits for it."""
        end = time.monotonic() + SECONDS
        while True:
            heard = read_callbacks(self.state_dir / "callbacks.jsonl")
            for callback in heard:
                if callback.event["request_id"] == request_id:
                    return callback
            assert time.monotonic() < end
            time.sleep(0.2)

    def wait_until_the_stack_has_saved(self) -> None:
        """The emulator and the model server end by themselves when their parent is gone."""
        end = time.monotonic() + SECONDS
        while connect(self.state_dir) is not None:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_demo_goes_on_the_next_one_bills_nothing_and_dev_works_on_what_they_left(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    billed_before = demo.run_and_end(signal.SIGKILL, after_calls=20)
    demo.wait_until_the_stack_has_saved()
    billed_before += demo.run_and_end(signal.SIGINT, after_calls=20)
    assert connect(demo.state_dir) is None, "Ctrl-C leaves nothing behind"

    finished = demo.run()
    assert (finished["success"], finished["titles"], finished["stand_in"]) == (True, TITLES, True)
    assert set(finished["outcomes"]) == set(SINGLES)
    for outcomes in finished["outcomes"].values():
        assert sum(outcomes.values()) == TITLES
    answered = sum(outcomes["succeeded"] for outcomes in finished["outcomes"].values())
    assert 0 < finished["calls_billed"] < answered
    assert finished["calls_cached"] > 0
    assert finished["cost_usd"] > 0
    rows = {table["table"]: table["rows"] for table in finished["tables"]}
    assert rows["catalog"] == rows["enriched_catalog"] == TITLES
    assert {name: rows[name] for name in SINGLES} == {
        name: outcomes["succeeded"] for name, outcomes in finished["outcomes"].items()
    }
    assert all(table["path"].startswith("s3://") for table in finished["tables"])

    folder = demo.state_dir / "tables" / "enriched_catalog"  # as any reader takes it: whole
    assert len(pd.read_parquet(folder)) == len(pl.read_parquet(folder)) == ds.dataset(folder).count_rows() == TITLES

    batches = {batch["file"]: batch for batch in finished["batches"]}
    assert {name: batch["status"] for name, batch in batches.items()} == {
        "good.json": "completed",
        "with_a_bad_item.json": "partially_completed",
        "malformed.json": "rejected",
        "over_http.json": "completed",
    }
    assert (batches["good.json"]["items"], batches["good.json"]["answered"]) == (6, 6)
    assert (batches["with_a_bad_item.json"]["items"], batches["with_a_bad_item.json"]["answered"]) == (3, 2)
    assert "callback_url: must be an https URL" in batches["malformed.json"]["reason"]
    heard = [(batch["callbacks"], batch["verified"]) for batch in finished["batches"]]
    assert heard == [(1, 1), (1, 1), (0, 0), (0, 0)]  # the API takes no callback to this machine
    assert (batches["over_http.json"]["items"], batches["over_http.json"]["answered"]) == (2, 2)
    assert batches["good.json"]["result"].endswith(f"/fm-results/acme/{batches['good.json']['request_id']}.json")
    assert batches["good.json"]["cost_usd"] > 0, "a note makes a question of its own"

    again = demo.run()
    assert [(batch["status"], batch["cost_usd"]) for batch in again["batches"]] == [
        (batch["status"], 0) for batch in finished["batches"]
    ]
    assert [batch["reused"] for batch in again["batches"]] == [batch["answered"] for batch in finished["batches"]]
    assert not {batch["request_id"] for batch in again["batches"]} & {
        each["request_id"] for each in finished["batches"]
    }
    assert (again["success"], again["calls_billed"], again["cost_usd"]) == (True, 0, 0.0)
    assert again["outcomes"] == finished["outcomes"]
    assert again["calls_cached"] == answered
    assert billed_before >= 40

    with demo.dev():
        request = demo.from_second_shell("submit", str(BATCHES / "good.json"), "--partner", "acme")
        status = demo.from_second_shell("status", request["request_id"], "--follow")
        assert (status["status"], status["counts"]["succeeded"], status["cost_usd"]) == ("completed", 6, 0)
        assert demo.callback_of(request["request_id"]).problem == ""
        [costs] = demo.asked(
            "SELECT sum(calls)::BIGINT AS calls, sum(cost_micro_usd)::BIGINT AS micro_usd FROM enrichment_costs"
        )
        assert costs["calls"] >= finished["calls_billed"]
        assert costs["micro_usd"] >= round(finished["cost_usd"] * 1e6)
    assert connect(demo.state_dir) is None
