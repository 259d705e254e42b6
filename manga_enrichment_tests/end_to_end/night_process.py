"""A nightly run in a process of its own.

Belongs here: starting and ending it. Stays out: what it leaves behind (`books.py`).
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.local.stack.model_control import ModelServerControl

REPOSITORY = Path(__file__).resolve().parents[2]

SECONDS = 240
"""After which a run on a slow machine is taken for stuck."""


@contextmanager
def nightly_run(
    environment: Mapping[str, str], log: Path, *, last_bucket: str = "3", tags: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """`dagster job execute` over buckets 0 to `last_bucket`; killed when the block is left."""
    command = [str(Path(sys.executable).parent / "dagster"), "job", "execute", "-j", "nightly_enrichment"]
    all_tags = {**range_tags("0", last_bucket), **(tags or {})}
    command += ["-m", "manga_enrichment.definitions", "--tags", json.dumps(all_tags)]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=REPOSITORY, env=dict(environment), stdout=output, stderr=output) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def wait_for_billed_calls(model_server: ModelServerControl, calls: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + SECONDS
    while model_server.counters()["billed"] < calls:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.02)
