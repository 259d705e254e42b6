"""`manga-enrichment demo` as a user runs it: killed in the middle, run again, and run once more for nothing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.local.dagster_home import REPOSITORY
from manga_enrichment.local.model_control import ModelServerControl
from manga_enrichment.local.sample_catalog import write_catalog
from manga_enrichment.local.stack import connect
from manga_enrichment_tests.builders import SINGLES

TITLES = 80
CONCURRENCY = 4
SECONDS = 180


class Demo:
    """The command over a state folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.state_dir = folder / "state"
        self.catalog = folder / "catalog.jsonl"
        write_catalog(self.catalog, TITLES, seed=3)

    def start(self) -> "subprocess.Popen[str]":
        """stderr, for people, is left out."""
        program = "from manga_enrichment.cli import main; main()"  # what the console script says
        command = [sys.executable, "-c", program, "demo", "--json"]
        command += ["--state-dir", str(self.state_dir), "--concurrency", str(CONCURRENCY)]
        settings = {"MANGA_CATALOG_URI": str(self.catalog), "MANGA_CATALOG_BUCKETS": "2", "MANGA_CLAIM_SECONDS": "5"}
        return subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self) -> dict[str, Any]:
        """The JSON line of a run to the end."""
        with self.start() as process:
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

    def run_and_kill(self, after_calls: int) -> int:
        """Kill -9 after so many billed calls; returns how many were billed by then."""
        with self.start() as process:
            server = self.model_server()
            server.faults(latency={"fixed_ms": 100})
            while (billed := int(server.counters()["billed"])) < after_calls:
                assert process.poll() is None
                time.sleep(0.02)
            process.kill()
        return billed

    def wait_until_the_stack_has_saved(self) -> None:
        """The emulator and the model server end by themselves when their parent is gone."""
        end = time.monotonic() + SECONDS
        while connect(self.state_dir) is not None:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.crash
def test_a_killed_demo_goes_on_where_it_was_and_the_next_one_bills_nothing(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    billed_before = demo.run_and_kill(after_calls=20)
    demo.wait_until_the_stack_has_saved()

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

    again = demo.run()
    assert (again["success"], again["calls_billed"], again["cost_usd"]) == (True, 0, 0.0)
    assert again["outcomes"] == finished["outcomes"]
    assert again["calls_cached"] == answered
    assert billed_before >= 20
