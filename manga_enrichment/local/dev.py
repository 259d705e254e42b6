"""`make dev`: the local stack and the Dagster UI, until Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import click

from manga_enrichment.local.dagster_home import REPOSITORY, prepare_dagster_home, server_environment
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig

SAMPLE = REPOSITORY / "data" / "catalog" / "sample.jsonl"
DISCOURAGED = "ignore:Function `dev_command` is superseded"
"""`dg dev` wraps the same command and needs another package."""
_STOP_SECONDS = 30


def run_dev(state_dir: Path, port: int) -> int:
    """Serve until stopped; the exit code of `dagster dev`."""
    with LocalStack(LocalStackConfig(state_dir)) as stack:
        home = prepare_dagster_home(state_dir)
        environment = server_environment(stack.child_environment(os.environ), home)
        environment["MANGA_CATALOG_URI"] = _absolute(environment.get("MANGA_CATALOG_URI") or str(SAMPLE))
        environment["MANGA_CATALOG_MAPPING"] = _absolute(environment.get("MANGA_CATALOG_MAPPING", ""))
        environment.setdefault("MANGA_DAGSTER_URL", f"http://127.0.0.1:{port}")
        click.echo(_welcome(state_dir, port))
        command = [sys.executable, "-W", DISCOURAGED, "-m", "dagster", "dev", "-w", str(REPOSITORY / "workspace.yaml")]
        # A group of its own: `dagster dev` ignores signals when a non-interactive shell put it in the background.
        with subprocess.Popen(  # noqa: S603
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=home,  # beside its own dagster.yaml; in the repository it would warn of two
            env=environment,
            start_new_session=True,
        ) as dagster:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: _stop(dagster))
            return dagster.wait()


def _welcome(state_dir: Path, port: int) -> str:
    """What to do next, in words that can be pasted into another shell."""
    program = os.path.relpath(Path(sys.executable).parent / "manga-enrichment")
    local = f"{program} --local" if state_dir == Path(".local") else f"{program} --local --state-dir {state_dir}"
    lines = (
        f"Dagster UI: http://127.0.0.1:{port} in a moment. Ctrl-C stops everything.",
        "From another shell:",
        f"  {local} submit {os.path.relpath(REPOSITORY / 'data' / 'batches' / 'good.json')} --partner acme",
        f"  {local} status REQUEST_ID --follow",
        f"  {local} results REQUEST_ID",
        f'  eval "$({local} api-access)"  # $API and $API_KEY: the same over HTTP, see docs/api.md',
        f"Callbacks of partners arrive in {state_dir / 'callbacks.jsonl'}.",
    )
    return "\n".join(lines)


def _absolute(path: str) -> str:
    """Paths of the caller hold after the change of folder; URIs and "" stay as they are."""
    return path if not path or "://" in path else str(Path(path).resolve())


def _stop(dagster: "subprocess.Popen[bytes]") -> None:
    os.killpg(dagster.pid, signal.SIGINT)
    try:
        dagster.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(dagster.pid, signal.SIGKILL)
