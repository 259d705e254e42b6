"""Counts the HTTP requests that botocore sends from this Python process: a byte each, in a file per kind and process.

Belongs here: nothing else. Python imports it at its start when this folder is on PYTHONPATH; it changes no behaviour.
"""

import importlib.abc
import importlib.machinery
import os
import re
import sys
import types
from collections.abc import Sequence
from typing import Any

FOLDER = os.environ.get("MANGA_BENCHMARK_CALLS", "")
_MODULE = "botocore.httpsession"
_QUEUE = re.compile(rb'"QueueUrl": ?"[^"]*/([^"/]+)"')
_open_files: dict[tuple[int, str], int] = {}


def _kind(request: Any) -> str:
    """sqs.ReceiveMessage.manga-fm-low, dynamodb.UpdateItem, s3.PUT"""
    target = request.headers.get("X-Amz-Target", b"")
    target = target.decode() if isinstance(target, bytes) else str(target)
    if target.startswith("DynamoDB"):
        return f"dynamodb.{target.rpartition('.')[2]}"
    if target.startswith("AmazonSQS"):
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        queue = _QUEUE.search(body)
        return f"sqs.{target.rpartition('.')[2]}.{queue[1].decode() if queue else ''}"
    signed = str(request.headers.get("Authorization", b""))
    return f"s3.{request.method}" if "/s3/" in signed else "other"


def _count(kind: str, folder: str) -> None:
    place = (os.getpid(), kind)
    if place not in _open_files:
        name = os.path.join(folder, f"{kind}-{place[0]}")  # noqa: PTH118 (pathlib costs a start-up)
        _open_files[place] = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(_open_files[place], b".")


class _Finder(importlib.abc.MetaPathFinder):
    """Wraps the session's `send` once its module is there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module
            spec.loader.exec_module = lambda module: _load(run, module)  # type: ignore[method-assign]
        return spec


def _load(run: Any, module: types.ModuleType) -> None:
    run(module)
    session: Any = module.__dict__["URLLib3Session"]
    send = session.send

    def counted(self: Any, request: Any) -> Any:
        _count(_kind(request), FOLDER)
        return send(self, request)

    session.send = counted


if FOLDER:
    sys.meta_path.insert(0, _Finder())
