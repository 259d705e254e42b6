"""A loopback ECS in this process, asked by boto3."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.local.fleet.ecs.cluster import Cluster
from manga_enrichment.local.fleet.ecs.definitions import TaskDefinitions
from manga_enrichment.local.fleet.ecs.server import handler_of
from manga_enrichment.local.fleet.ecs.task import Machine
from manga_enrichment.local.stack.processes import LOOPBACK
from manga_enrichment.local.stack.provision import emulator_client

OpenEcs = Callable[..., Any]


@pytest.fixture
def open_ecs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenEcs]:
    """Call it for a boto3 client; logs and secrets_manager are clients, too, and not needed by all tasks."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    opened: list[tuple[ThreadingHTTPServer, Cluster]] = []

    def open_ecs(logs: Any = None, secrets_manager: Any = None) -> Any:
        server = ThreadingHTTPServer((LOOPBACK, 0), BaseHTTPRequestHandler)
        url = f"http://{LOOPBACK}:{server.server_address[1]}"
        cluster = Cluster("fleet", TaskDefinitions(), Machine(tmp_path / "disks", url, logs, secrets_manager))
        server.RequestHandlerClass = handler_of(cluster)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        opened.append((server, cluster))
        return emulator_client("ecs", url)

    yield open_ecs
    for server, cluster in opened:
        server.shutdown()
        server.server_close()
        cluster.end()
