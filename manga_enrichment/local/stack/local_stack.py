"""The local stack: AWS emulator, offline model server and callback receiver as child processes on loopback.

Belongs here: which programs the stack consists of and its life. Stays out: how a child process is kept
(`processes.py`), the state folder (`state_folder.py`), what is provisioned (`provision.py`), what clients are
told (`endpoints.py`).

    with LocalStack(LocalStackConfig(Path(".local"))) as stack:
        subprocess.run([...], env=stack.child_environment(os.environ))

The emulator keeps its tables in memory and saves them when it is asked to stop. A kill -9 of our process is
such a request (`guarded.py`); a kill -9 of the emulator itself loses what tables got since its start.
"""

import importlib.util
import os
import shlex
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click

from manga_enrichment.local.stack.callback_receiver import CALLBACK_PATH
from manga_enrichment.local.stack.callback_receiver import HEALTH_PATH as RECEIVER_HEALTH_PATH
from manga_enrichment.local.stack.endpoints import REGION, LocalEndpoints, assert_loopback, without_aws
from manga_enrichment.local.stack.own_templates import own_templates
from manga_enrichment.local.stack.processes import (
    LOOPBACK,
    ChildEndedError,
    ChildProcess,
    ChildProgram,
    ChildStartError,
    answers,
    start_child,
)
from manga_enrichment.local.stack.provision import ProvisioningError, deploy_all, emulator_client
from manga_enrichment.local.stack.running import Running
from manga_enrichment.local.stack.state_folder import TABLES_VARIABLE, StackRecord, StackRunningError, StateFolder
from manga_enrichment.runtime.processes import process_exists
from manga_enrichment.runtime.shipped import NotShippedError, shipped

__all__ = ["STACK_ERRORS", "LocalStack", "LocalStackConfig", "StackRunningError", "assert_loopback", "connect"]

STACK_ERRORS = (ChildStartError, NotShippedError, ProvisioningError, StackRunningError)
"""Why a stack did not start, in a sentence each."""

ACCOUNT_ID = "123456789012"
EMULATOR_HEALTH_PATH = "/_ministack/health"
MODEL_HEALTH_PATH = "/_control/health"
_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class LocalStackConfig:
    """state_dir holds all the stack writes; port 0 means any free one; persist keeps data over restarts."""

    state_dir: Path
    emulator_port: int = 0
    model_port: int = 0
    persist: bool = True


class LocalStack(Running):
    """A running stack between `start` and `stop`, or inside `with`.

    outputs holds the outputs of all deployed templates by name.
    """

    def __init__(self, config: LocalStackConfig) -> None:
        self.config = config
        self.outputs: dict[str, str] = {}
        self._folder = StateFolder(config.state_dir)
        self._children: list[ChildProcess] = []
        self._endpoints: LocalEndpoints | None = None

    @property
    def endpoints(self) -> LocalEndpoints:
        if self._endpoints is None:
            raise RuntimeError("The local stack is not running: call start() or use it in a with statement.")
        return self._endpoints

    @property
    def table_names(self) -> list[str]:
        """All DynamoDB tables of the deployed templates."""
        return sorted(value for name, value in self.outputs.items() if name.endswith("TableName"))

    @property
    def pids(self) -> list[int]:
        """Process ids of the running programs."""
        return [child.pid for child in self._children]

    def environment(self) -> dict[str, str]:
        """The environment variables that point programs at this stack."""
        return self.endpoints.environment()

    def child_environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """A whole environment for a program: base without the user's AWS settings, plus ours."""
        return self.endpoints.child_environment(base)

    def client(self, service: str) -> Any:
        """A boto3 client for the emulator, whatever the environment says."""
        return emulator_client(service, self.endpoints.emulator_url)

    def start(self) -> None:
        """Start, wait until all programs answer, provision.

        Raises one of STACK_ERRORS; nothing is left running then.
        """
        _require_packages()
        infra = shipped("infra")
        lock = self._folder.acquire()
        try:
            own = own_templates(self._folder.path / "infra")
            self._start_children(lock)
            self._provision(infra, own)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all programs and give the state folder free. Safe to call again."""
        for child in self._children:
            child.request_stop()
        for child in self._children:
            child.stop()
        self._children.clear()
        self._endpoints = None
        self._folder.release()

    def wait(self) -> None:
        """Block while all programs run. Raises ChildEndedError when one ends by itself."""
        while True:
            for child in self._children:
                if not child.is_running:
                    raise ChildEndedError(child.complaint("ended by itself"))
            time.sleep(_WATCH_SECONDS)

    def _start_children(self, lock: int) -> None:
        if aside := self._folder.set_aside_unsaved_state():
            click.echo(f"The emulator was killed before it saved anything; its files are now in {aside}.", err=True)
        emulator = partial(_emulator, self._folder, lock, persist=self.config.persist)
        self._children.append(start_child(emulator, self.config.emulator_port))
        emulator_url = self._children[0].program.url
        model_server = partial(_model_server, self._folder, lock, emulator_url, persist=self.config.persist)
        self._children.append(start_child(model_server, self.config.model_port))
        self._children.append(start_child(partial(_callback_receiver, self._folder, lock)))

    def _provision(self, infra: Path, own: Mapping[str, Path]) -> None:
        emulator, model, receiver = (child.program for child in self._children)
        self.outputs = deploy_all(emulator_client("cloudformation", emulator.url), infra, own)
        bucket = self.outputs["ResultsBucketName"]
        record = StackRecord(os.getpid(), emulator.port, model.port, bucket, receiver.port, self.outputs)
        self._endpoints = _endpoints(record)
        self._folder.write_record(record)


def _require_packages() -> None:
    missing = [name for name in ("airspeed", "ministack", "starlette", "uvicorn") if not importlib.util.find_spec(name)]
    if missing:
        raise ChildStartError(
            f"The local stack needs {', '.join(missing)}: install the extra 'local' "
            "(pip install 'manga-enrichment[local]')."
        )


def connect(state_dir: Path) -> LocalEndpoints | None:
    """The stack that already runs on state_dir, or None; a stale `stack.json` counts as none."""
    record = StateFolder(state_dir).read_record()
    if record is None or not process_exists(record.pid):
        return None
    found = _endpoints(record)
    if not answers(found.emulator_url + EMULATOR_HEALTH_PATH) or not answers(found.model_url + MODEL_HEALTH_PATH):
        return None
    return found


def _endpoints(record: StackRecord) -> LocalEndpoints:
    emulator, model, receiver = (
        f"http://{LOOPBACK}:{port}" for port in (record.emulator_port, record.model_port, record.callback_port)
    )
    partners = str(shipped("infra/partners.json"))
    return LocalEndpoints(emulator, model, record.bucket, receiver + CALLBACK_PATH, record.outputs, partners)


def _emulator(folder: StateFolder, lock: int, port: int, *, persist: bool) -> ChildProgram:
    settings = {
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "LOG_LEVEL": "WARNING",  # a line per request is a cost
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": REGION,
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        # The emulator removes containers it takes for its own: keep it away from the user's Docker.
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
        "PERSIST_STATE": str(int(persist)),
        "STATE_DIR": str(folder.emulator / "state"),
        "S3_PERSIST": str(int(persist)),
        "S3_DATA_DIR": str(folder.emulator / "s3"),
    }
    if persist:
        settings[TABLES_VARIABLE] = str(folder.tables)
    return ChildProgram(
        name="The AWS emulator",
        module="manga_enrichment.local.stack.emulator",
        port=port,
        health_path=EMULATOR_HEALTH_PATH,
        log_path=folder.log("emulator"),
        environment={**without_aws(os.environ), **settings},
        inherited_fds=(lock,),
    )


def _model_server(folder: StateFolder, lock: int, emulator_url: str, port: int, *, persist: bool) -> ChildProgram:
    record = ("--record-file", str(folder.path / "model_server.json")) if persist else ()
    return ChildProgram(
        name="The offline model server",
        module="manga_enrichment.local.model_server",
        port=port,
        health_path=MODEL_HEALTH_PATH,
        log_path=folder.log("model_server"),
        arguments=("--port", str(port), "--s3-endpoint", emulator_url, "--cloudwatch-endpoint", emulator_url, *record),
        environment=without_aws(os.environ),
        inherited_fds=(lock,),
    )


def _callback_receiver(folder: StateFolder, lock: int, port: int) -> ChildProgram:
    return ChildProgram(
        name="The callback receiver",
        module="manga_enrichment.local.stack.callback_receiver",
        port=port,
        health_path=RECEIVER_HEALTH_PATH,
        log_path=folder.log("callback_receiver"),
        arguments=("--port", str(port), "--record-file", str(folder.callbacks)),
        environment=without_aws(os.environ),
        inherited_fds=(lock,),
    )


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End by unwinding, so that the stack is stopped; a second signal must not interrupt that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


@click.command()
@click.option("--state-dir", type=click.Path(file_okay=False, path_type=Path), default=Path(".local"))
@click.option("--emulator-port", type=click.IntRange(0, 65535), default=0, help="0: any free port")
@click.option("--model-port", type=click.IntRange(0, 65535), default=0, help="0: any free port")
def main(state_dir: Path, emulator_port: int, model_port: int) -> None:
    """Run the local stack in the foreground; stdout gets the variables that point a shell at it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        with LocalStack(LocalStackConfig(state_dir, emulator_port, model_port)) as stack:
            click.echo("unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN")
            for name, value in stack.environment().items():
                click.echo(f"export {name}={shlex.quote(value)}")
            stack.wait()
    except STACK_ERRORS as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
