"""`manga-enrichment dev --fleet` and `demo --fleet`.

Belongs here: a stack, a fleet and servers together, in which folder, and how they are stopped. Stays out: what each is
(`fleet.py`, `manga_enrichment/local/dagster_servers.py`).

A fleet has a state folder of its own, `fleet/` in the one that was given: its catalog has 64 buckets, a number
that is frozen once there is data.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from manga_enrichment.local import dagster_servers
from manga_enrichment.local.dagster_home import LOCATION
from manga_enrichment.local.fleet.fleet import BUCKETS, TASKS_AT_ONCE, Fleet
from manga_enrichment.local.foreground import STOPPED, run_in_foreground
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.processes import ChildProgram, start_child

_SERVER_INFO = "/server_info"


@dataclass(frozen=True, slots=True)
class _Running:
    fleet: Fleet
    state_dir: Path

    @property
    def environment(self) -> dict[str, str]:
        return self.fleet.server_environment(os.environ)


def run_fleet(state_dir: Path, port: int, dagster_yaml: Path | None, given: dict[str, str], welcome: str) -> int:
    """Serve until stopped. given: variables of the code location; welcome: what is said once all is started."""
    with _running_fleet(state_dir, dagster_yaml, given) as running:
        click.echo(welcome)
        servers = ["manga_enrichment.definitions", LOCATION, str(port)]
        return run_in_foreground(dagster_servers.__name__, servers, running.environment, running.fleet.home) or 0


def run_fleet_demo(state_dir: Path, dagster_yaml: Path | None, given: dict[str, str]) -> int:
    """A night of tasks; 0 when it ended well. Stopped, it can be run again, and pays for nothing twice."""
    with _running_fleet(state_dir, dagster_yaml, given) as running:
        click.echo("Starting code server, webserver and daemon …")

        def servers(port: int) -> ChildProgram:
            return ChildProgram(
                name="Dagster",
                module=dagster_servers.__name__,
                port=port,
                health_path=_SERVER_INFO,
                log_path=running.state_dir / "logs" / "dagster.log",
                arguments=("manga_enrichment.definitions", LOCATION, str(port)),
                environment=running.environment,
                cwd=running.fleet.home,
            )

        child = start_child(servers)
        try:
            click.echo(
                f"Dagster UI: {child.program.url}. A night over {BUCKETS} buckets, {TASKS_AT_ONCE} tasks at once:"
            )
            words = ["--state-dir", str(running.state_dir), "--url", child.program.url]
            code = run_in_foreground("manga_enrichment.local.fleet.night", words, running.environment, Path.cwd())
        finally:
            child.stop()
    return STOPPED if code is None else code


@contextmanager
def _running_fleet(state_dir: Path, dagster_yaml: Path | None, given: dict[str, str]) -> Iterator[_Running]:
    own = state_dir / "fleet"
    click.echo("Starting the local stack, PostgreSQL and a loopback ECS …")
    with (
        LocalStack(LocalStackConfig(own)) as stack,
        Fleet(stack, dagster_yaml=dagster_yaml, given=given) as fleet,
    ):
        yield _Running(fleet, own)
