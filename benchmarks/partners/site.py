"""One tree of this repository, running as `manga-enrichment dev` runs it.

Belongs here: its processes, its stack's addresses, what its calls to AWS come to. Stays out: what is asked of it
(`phases.py`).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from benchmarks.partners import counted
from benchmarks.partners.console import Console
from benchmarks.partners.work import Work
from manga_enrichment.aws.gateways import Gateways, open_gateways
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.local.api_client import ApiClient, api_key, api_url
from manga_enrichment.local.demo.over_http import KEY_NAME
from manga_enrichment.local.stack.endpoints import LocalEndpoints
from manga_enrichment.local.stack.local_stack import connect
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.local.stack.processes import LOOPBACK, answers, free_port
from manga_enrichment.local.stack.provision import emulator_client
from manga_enrichment.settings import load_settings

DEV = "import sys; from manga_enrichment.cli import main; sys.argv[0] = 'manga-enrichment'; main()"
CATALOG_JOB = "refresh_catalog"
START_SECONDS, STOP_SECONDS = 180.0, 60.0
SETTINGS = {"MANGA_CATALOG_BUCKETS": "1", "MANGA_CONCURRENCY": "64"}


class Site:
    """Running inside `with`; imports: its catalog, too. settings: environment variables beside SETTINGS.

    While it runs, this process' environment points at its stack.
    """

    def __init__(
        self, name: str, tree: Path, folder: Path, catalog: Path, settings: Mapping[str, str], *, imports: bool = True
    ) -> None:
        self.name = name
        self._imports = imports
        self._tree, self._folder, self._catalog, self._settings = tree, folder, catalog, settings
        self._port = free_port()
        self._calls = folder / "calls"
        self._before: dict[str, str] = {}
        self._dev: subprocess.Popen[bytes]
        self.control: ModelServerControl
        self.gateways: Gateways
        self.api: ApiClient
        self.console = Console(f"http://{LOOPBACK}:{self._port}")

    def __enter__(self) -> Self:
        self._calls.mkdir(parents=True)
        state = self._folder / "local"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MANGA_", "DAGSTER"))},
            **SETTINGS,
            **self._settings,
            "MANGA_CATALOG_URI": str(self._catalog),
            "MANGA_BENCHMARK_CALLS": str(self._calls),
            "PYTHONPATH": os.pathsep.join([str(Path(next(iter(counted.__path__)))), str(self._tree)]),
        }
        with (self._folder / "dev.log").open("wb") as log:
            self._dev = subprocess.Popen(
                [sys.executable, "-c", DEV, "dev", "--state-dir", str(state), "--port", str(self._port)],
                cwd=self._tree,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._connect(self._wait_for(state), environment)
            if self._imports:
                self.console.run(CATALOG_JOB, whole_catalog(bucket_keys(1)))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def calls(self) -> Counter[str]:
        """AWS calls of all its processes so far, by kind."""
        found: Counter[str] = Counter()
        for file in self._calls.iterdir():
            found[file.name.rpartition("-")[0]] += file.stat().st_size
        return found

    def work(self) -> Work:
        """Of all its processes, from now on."""
        return Work(self._dev.pid)

    def runs(self) -> list[psutil.Process]:
        """Processes of runs that are going on."""
        found = []
        with suppress(psutil.Error):
            for process in psutil.Process(self._dev.pid).children(recursive=True):
                with suppress(psutil.Error):
                    command = process.cmdline()
                    parent = process.parent()
                    is_server = parent is not None and {"api", "grpc"} <= set(parent.cmdline())
                    if is_server and any("spawn_main" in word for word in command):
                        found.append(process)
        return found

    def _wait_for(self, state: Path) -> LocalEndpoints:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._dev.poll() is None:
            endpoints = connect(state)
            if endpoints is not None and answers(f"http://{LOOPBACK}:{self._port}/server_info"):
                return endpoints
            time.sleep(0.5)
        raise TimeoutError(f"{self.name} is not up:\n{(self._folder / 'dev.log').read_text('utf-8')[-3_000:]}")

    def _connect(self, endpoints: LocalEndpoints, environment: Mapping[str, str]) -> None:
        self._before = dict(os.environ)
        own = {name: value for name, value in environment.items() if name.startswith("MANGA_")}
        os.environ.update({**endpoints.child_environment(os.environ), **own, "MANGA_BENCHMARK_CALLS": ""})
        os.environ["MANGA_BUCKET"] = endpoints.bucket
        self.control = ModelServerControl(endpoints.model_url)
        self.gateways = open_gateways(load_settings())
        url = api_url(endpoints.emulator_url, endpoints.outputs)
        self.api = ApiClient(url, api_key(emulator_client("apigateway", endpoints.emulator_url), KEY_NAME))

    def _stop(self) -> None:
        """Ask `dev` to end, then end its group and what it has started in groups of its own."""
        started: list[psutil.Process] = []
        with suppress(psutil.Error):
            started = psutil.Process(self._dev.pid).children(recursive=True)
        with suppress(ProcessLookupError):
            self._dev.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._dev.wait(STOP_SECONDS)
        for process in started:
            with suppress(psutil.Error):
                process.kill()
        if self._dev.poll() is None:
            self._dev.kill()
        self._dev.wait()
        if self._before:
            os.environ.clear()
            os.environ.update(self._before)


def whole_catalog(keys: Sequence[str]) -> dict[str, str]:
    """Tags of a run over all buckets."""
    return {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}


def said(row: Mapping[str, Any]) -> None:
    """Progress, for whoever waits, and how busy the machine is."""
    print(json.dumps({**row, "load": round(os.getloadavg()[0], 1)}), file=sys.stderr, flush=True)
