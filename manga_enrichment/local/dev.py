"""`make dev`: the local stack and the Dagster UI, until Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from manga_enrichment.local.dagster_home import REPOSITORY, prepare_dagster_home
from manga_enrichment.local.stack import LocalStack, LocalStackConfig

_STOP_SECONDS = 30


def run_dev(state_dir: Path, port: int) -> int:
    """Serve until stopped; the exit code of `dagster dev`."""
    with LocalStack(LocalStackConfig(state_dir)) as stack:
        environment = stack.child_environment(os.environ)
        environment["DAGSTER_HOME"] = str(prepare_dagster_home(state_dir))
        environment.setdefault("MANGA_CATALOG_URI", str(REPOSITORY / "data" / "catalog" / "sample.jsonl"))
        command = [sys.executable, "-m", "dagster", "dev", "--workspace", str(REPOSITORY / "workspace.yaml")]
        # A group of its own: `dagster dev` ignores signals when a non-interactive shell put it in the background.
        with subprocess.Popen(  # noqa: S603
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=REPOSITORY,
            env=environment,
            start_new_session=True,
        ) as dagster:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: _stop(dagster))
            return dagster.wait()


def _stop(dagster: "subprocess.Popen[bytes]") -> None:
    os.killpg(dagster.pid, signal.SIGINT)
    try:
        dagster.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(dagster.pid, signal.SIGKILL)
