"""`make dev`: the local stack and the Dagster UI, until Ctrl-C."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from manga_enrichment.local import dagster_servers
from manga_enrichment.local.dagster_home import LOCATION, prepare_dagster_home, server_environment
from manga_enrichment.local.fleet.command import run_fleet, run_fleet_demo
from manga_enrichment.local.foreground import run_in_foreground
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.processes import port_is_taken
from manga_enrichment.runtime.shipped import shipped

SAMPLE = "data/catalog/sample.jsonl"
_PORTS_TRIED = 20


def run_dev(state_dir: Path, port: int, dagster_yaml: Path | None = None) -> int:
    """Serve until stopped; 0 when a signal asked for the end, else the exit code of the servers."""
    with LocalStack(LocalStackConfig(state_dir)) as stack:
        port = _free_from(port)
        home = prepare_dagster_home(state_dir, dagster_yaml)
        environment = server_environment(stack.child_environment(os.environ), home)
        environment.update(catalog_of(environment))
        environment.setdefault("MANGA_DAGSTER_URL", f"http://127.0.0.1:{port}")
        click.echo(_welcome(state_dir, port))
        arguments = ["manga_enrichment.definitions", LOCATION, str(port)]
        return run_in_foreground(dagster_servers.__name__, arguments, environment, home) or 0


def run_dev_fleet(state_dir: Path, port: int, dagster_yaml: Path | None = None) -> int:
    """As `run_dev`, with each run a task, and history in PostgreSQL."""
    port = _free_from(port)
    given = {**settings_of(os.environ), **catalog_of(os.environ)}
    given.setdefault("MANGA_DAGSTER_URL", f"http://127.0.0.1:{port}")
    return run_fleet(state_dir, port, dagster_yaml, given, _welcome(state_dir / "fleet", port))


def run_demo_fleet(state_dir: Path, dagster_yaml: Path | None = None) -> int:
    return run_fleet_demo(state_dir, dagster_yaml, {**settings_of(os.environ), **catalog_of(os.environ)})


def settings_of(environment: Mapping[str, str]) -> dict[str, str]:
    """What a task gets, too: nothing but our own variables."""
    return {name: value for name, value in environment.items() if name.startswith("MANGA_")}


def catalog_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The catalog that was named, or the shipped one."""
    return {
        "MANGA_CATALOG_URI": _absolute(environment.get("MANGA_CATALOG_URI") or str(shipped(SAMPLE))),
        "MANGA_CATALOG_MAPPING": _absolute(environment.get("MANGA_CATALOG_MAPPING", "")),
    }


def _free_from(port: int) -> int:
    """This port or the next one that nobody listens on: a webserver takes no other by itself."""
    free = next((each for each in range(port, port + _PORTS_TRIED) if not port_is_taken(each)), None)
    if free is None:
        last = port + _PORTS_TRIED - 1
        raise click.ClickException(f"Ports {port} to {last} are all taken: choose another by --port.")
    if free != port:
        click.echo(f"Port {port} is taken, so the UI is on {free}.")
    return free


def _welcome(state_dir: Path, port: int) -> str:
    """What to do next, in words that can be pasted into another shell."""
    program = os.path.relpath(Path(sys.executable).parent / "manga-enrichment")
    local = f"{program} --local" if state_dir == Path(".local") else f"{program} --local --state-dir {state_dir}"
    lines = (
        f"Dagster UI: http://127.0.0.1:{port} in a moment. Ctrl-C stops everything.",
        "After an edit of a definition or an analysis it is loaded anew, which is said here.",
        "From another shell:",
        f"  {local} submit {os.path.relpath(shipped('data/batches/good.json'))} --partner acme",
        f"  {local} status REQUEST_ID --follow",
        f"  {local} results REQUEST_ID",
        f'  eval "$({local} api-access)"  # $API and $API_KEY: the same over HTTP, see docs/api.md',
        f"Callbacks of partners arrive in {state_dir / 'callbacks.jsonl'}.",
    )
    return "\n".join(lines)


def _absolute(path: str) -> str:
    """Paths of the caller hold after the change of folder; URIs and "" stay as they are."""
    return path if not path or "://" in path else str(Path(path).resolve())
