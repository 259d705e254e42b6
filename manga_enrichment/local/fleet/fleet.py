"""A fleet: PostgreSQL and a loopback ECS beside a local stack, and the environment of Dagster's servers.

    with LocalStack(LocalStackConfig(folder)) as stack, Fleet(stack) as fleet:
        subprocess.run([...], env=fleet.server_environment(os.environ), cwd=fleet.home)

Belongs here: which programs it consists of and their life. Stays out: what tasks find (`site.py`), Dagster's servers
(`manga_enrichment/local/dagster_servers.py`).
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from manga_enrichment.local.dagster_home import server_environment
from manga_enrichment.local.fleet.ecs.server import HEALTH_PATH
from manga_enrichment.local.fleet.instance import CLUSTER, prepare_fleet_home
from manga_enrichment.local.fleet.postgres import Postgres
from manga_enrichment.local.fleet.site import Site, make_site
from manga_enrichment.local.stack.endpoints import without_aws
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.processes import ChildProcess, ChildProgram, start_child
from manga_enrichment.local.stack.provision import emulator_client
from manga_enrichment.local.stack.running import Running

BUCKETS = 64
TASKS_AT_ONCE = 4
_ECS_GRACE_SECONDS = 8.0
"""Runs that were asked to end go on without a fleet the next time."""


class Fleet(Running):
    """A running fleet between `start` and `stop`, or inside `with`."""

    def __init__(
        self,
        stack: LocalStack,
        *,
        tasks_at_once: int = TASKS_AT_ONCE,
        dagster_yaml: Path | None = None,
        given: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """given: variables of the code location, in servers and tasks. dagster_yaml: instead of the deployed one.

        folder: of all it keeps; the stack's by default.
        """
        self._stack = stack
        self._folder = (folder or stack.config.state_dir).resolve()
        self._tasks_at_once = tasks_at_once
        self._dagster_yaml = dagster_yaml
        self._given = {"MANGA_CATALOG_BUCKETS": str(BUCKETS), **(given or {})}
        self.postgres = Postgres(self._folder / "postgres", self._folder / "logs" / "postgres.log")
        self._ecs: ChildProcess | None = None
        self._site: Site | None = None
        self._home: Path | None = None

    @property
    def home(self) -> Path:
        """DAGSTER_HOME of the servers."""
        if self._home is None:
            raise RuntimeError("The fleet is not running: call start() or use it in a with statement.")
        return self._home

    @property
    def site(self) -> Site:
        if self._site is None:
            raise RuntimeError("The fleet is not running: call start() or use it in a with statement.")
        return self._site

    @property
    def ecs_url(self) -> str:
        if self._ecs is None:
            raise RuntimeError("The fleet is not running: call start() or use it in a with statement.")
        return self._ecs.program.url

    def ecs(self) -> Any:
        """A boto3 client for the loopback ECS."""
        return emulator_client("ecs", self.ecs_url)

    def server_environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Of code server, webserver and daemon: a whole environment."""
        variables = {**without_aws(base), **self.site.plain, **self.site.secret}
        return server_environment({**variables, "MANGA_RUN_TASK_DEFINITION": self.site.task_definition}, self.home)

    def start(self) -> None:
        """Raises ChildStartError; nothing is left running then."""
        try:
            self.postgres.start()
            self._ecs = start_child(partial(ecs_server, self._folder, self._stack.endpoints.emulator_url))
            self._site = make_site(
                self._stack,
                self.ecs(),
                self.ecs_url,
                postgres=(self.postgres.port, self.postgres.password),
                given=self._given,
            )
            self._home = prepare_fleet_home(
                self._folder,
                self._dagster_yaml,
                postgres_port=self.postgres.port,
                tasks_at_once=self._tasks_at_once,
            )
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Tasks first, which still write; then PostgreSQL, with all that it had where the stack keeps nothing either.

        Safe to call again.
        """
        if self._ecs is not None:
            self._ecs.stop(_ECS_GRACE_SECONDS)
            self._ecs = None
        (self.postgres.stop if self._stack.config.persist else self.postgres.remove)()


def ecs_server(folder: Path, emulator_url: str, port: int) -> ChildProgram:
    arguments = ("--port", str(port), "--cluster", CLUSTER, "--disks", str(folder / "tasks"), "--aws", emulator_url)
    return ChildProgram(
        name="The loopback ECS",
        module="manga_enrichment.local.fleet.ecs.server",
        port=port,
        health_path=HEALTH_PATH,
        log_path=folder / "logs" / "ecs.log",
        arguments=arguments,
        environment=without_aws(os.environ),
    )
