"""Dagster's servers as `make dev` starts them, with a code location that loads in no time."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from manga_enrichment.local import dagster_servers
from manga_enrichment.local.dagster_home import prepare_dagster_home, server_environment
from manga_enrichment.local.stack.processes import LOOPBACK, answers, free_port

pytestmark = pytest.mark.slow
SECONDS = 60.0
QUESTION = "{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename } } } } }"


def _wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def _locations(url: str) -> dict[str, str]:
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        f"{url}/graphql", json.dumps({"query": QUESTION}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=SECONDS) as answer:
        entries = json.loads(answer.read())["data"]["workspaceOrError"]["locationEntries"]
    return {entry["name"]: entry["locationOrLoadError"]["__typename"] for entry in entries}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", "replaced")  # and put back after the test
    home = prepare_dagster_home(tmp_path)
    (home / "one_asset.py").write_text("import dagster as dg\n\ndefs = dg.Definitions(assets=[dg.AssetSpec('a')])\n")
    return home


def test_an_edit_is_loaded_and_a_fault_in_it_is_told_with_file_and_line(home: Path) -> None:
    port = free_port()
    url, module = f"http://{LOOPBACK}:{port}", home / "one_asset.py"
    module.write_text("import dagster as dg\n\n\ndefs = dg.Definition()\n")
    with _program(home, port, PYTHONPATH=f"{os.environ.get('PYTHONPATH', '')}{os.pathsep}{home}"):
        at_start = f"until this is mended: {module}:4: AttributeError"
        _wait_until(lambda: at_start in (home / "log").read_text("utf-8"))
        for text, said in (
            ("import dagster as dg\n\nraise ValueError('no good')\n", f"{module}:3: ValueError: no good"),
            ("import dagster as dg\n\ndefs = dg.Definitions(\n", f"{module}:3: SyntaxError: '(' was never closed"),
            ("import dagster as dg\n\ndefs = dg.Definitions(assets=[dg.AssetSpec('b')])\n", "are loaded anew."),
        ):
            module.write_text(text)
            _wait_until(lambda said=said: said in (home / "log").read_text("utf-8"))  # type: ignore[misc]
        assert _locations(url) == {"a_location": "RepositoryLocation"}


@contextmanager
def _program(home: Path, port: int, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """As it is run: in a process group of its own, of which nothing is left."""
    with (home / "log").open("wb") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", dagster_servers.__name__, "one_asset", "a_location", str(port)],
            cwd=home,
            env={**server_environment(os.environ, home), **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield program
    finally:
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def _children(program: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(program.pid).children(recursive=True)
    return found


def _is(word: str, process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return word in process.cmdline()
    return False


@pytest.mark.parametrize(("killed", "code"), [("", 0), ("dagster_webserver", 1), ("code-server", 1)])
def test_they_serve_one_location_and_all_end_when_asked_to_or_when_one_does(home: Path, killed: str, code: int) -> None:
    """All: the child of a killed code server, too, which would stay for up to a minute more."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    with _program(home, port) as program:
        _wait_until(lambda: answers(f"{url}/server_info") or program.poll() is not None)
        assert _locations(url) == {"a_location": "RepositoryLocation"}
        started = _children(program)
        assert [_is("dagster_webserver", process) for process in started].count(True) == 1
        assert len(started) >= 4  # the code server has a child of its own
        if killed:
            next(process for process in started if _is(killed, process)).kill()
        else:
            program.terminate()
        assert program.wait(SECONDS) == code
        _wait_until(lambda: not any(process.is_running() for process in started))


def test_code_that_cannot_be_served_ends_it(home: Path) -> None:
    with _program(home, free_port(), DAGSTER_HOME=str(home / "nowhere")) as program:
        assert program.wait(SECONDS) == 1
