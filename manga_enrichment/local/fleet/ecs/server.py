"""ECS over HTTP on loopback, as boto3's client for it speaks: JSON 1.1, one operation named by a header.

    python -m manga_enrichment.local.fleet.ecs.server --port 0 --cluster NAME --disks FOLDER --aws URL

Belongs here: requests, answers, the program. Stays out: what the operations do (`cluster.py`). Signatures are not
looked at: it listens on loopback. aws: where logs and secrets are.
"""

import argparse
import json
import shutil
import signal
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from manga_enrichment.local.fleet.ecs.cluster import Cluster
from manga_enrichment.local.fleet.ecs.definitions import TaskDefinitions
from manga_enrichment.local.fleet.ecs.shapes import EcsError, Json
from manga_enrichment.local.fleet.ecs.task import Machine
from manga_enrichment.local.stack.processes import LOOPBACK
from manga_enrichment.local.stack.provision import emulator_client

HEALTH_PATH = "/health"
_METADATA_PATH = "/v4/"


def handler_of(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"cluster": cluster})


class _Handler(BaseHTTPRequestHandler):
    """cluster: of the server that makes one of these for each connection."""

    cluster: Cluster
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        try:
            if name not in self.cluster.operations:
                raise EcsError("UnknownOperationException", f"{name} is no operation of this stand-in.")
            self._reply(200, self.cluster.operations[name](json.loads(body or b"{}")))
        except EcsError as error:
            self._reply(400, {"__type": error.code, "message": error.message})

    def do_GET(self) -> None:
        if self.path == HEALTH_PATH:
            return self._reply(200, {})
        task_id, _, about = self.path.removeprefix(_METADATA_PATH).partition("/")
        found = self.cluster.metadata(task_id) if self.path.startswith(_METADATA_PATH) else None
        return self._reply(404, {}) if found is None else self._reply(200, found[about == "task"])

    def _reply(self, status: int, answer: Json) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: tasks have logs of their own."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM; then stop all tasks."""
    parser = argparse.ArgumentParser(prog="python -m manga_enrichment.local.fleet.ecs.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--disks", type=Path, required=True)
    parser.add_argument("--aws", required=True)
    options = parser.parse_args(arguments)
    shutil.rmtree(options.disks, ignore_errors=True)  # of tasks that were killed with a server
    logs, secrets_manager = (emulator_client(name, options.aws) for name in ("logs", "secretsmanager"))
    machine = Machine(options.disks, f"http://{LOOPBACK}:{options.port}", logs, secrets_manager)
    cluster = Cluster(options.cluster, TaskDefinitions(), machine)
    server = ThreadingHTTPServer((LOOPBACK, options.port), handler_of(cluster))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(0.1)
    server.server_close()
    cluster.end()


if __name__ == "__main__":
    main()
