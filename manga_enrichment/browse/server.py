"""Pages on a socket, and the thread that keeps them fresh.

Belongs here: uvicorn's settings, when the tables are looked at, the end of both. Stays out: addresses (`app.py`), what
a look does (`shelf.py`).
"""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import duckdb
import uvicorn
from starlette.applications import Starlette

from manga_enrichment.browse.app import Browse, Lifespan
from manga_enrichment.browse.shelf import Shelf
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import StoreUnavailableError

LOOK_SECONDS = 60.0
SHUTDOWN_GRACE_SECONDS = 2
MAX_OPEN = 64
"""Requests under way; more are told to come back."""


def serve(app: Starlette, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Until SIGINT or SIGTERM. Raises ConfigurationError where the port is taken."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        log_level="warning",
        ws="none",
        limit_concurrency=MAX_OPEN,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_SECONDS,
    )
    try:
        listening = config.bind_socket()
    except SystemExit:
        raise ConfigurationError(f"Port {port} of {host} is taken: choose another --port") from None
    listening.listen()  # who comes before the server is ready waits
    told = listening.getsockname()
    say(f"http://{f'[{host}]' if ':' in host else host}:{told[1]}")
    uvicorn.Server(config).run(sockets=[listening])


def renewing(shelf: Shelf, browse: Browse) -> Lifespan:
    """While the pages are served, the tables are looked at."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        is_over = threading.Event()
        thread = threading.Thread(target=keep_fresh, args=(shelf, browse, is_over), daemon=True, name="tables")
        thread.start()
        try:
            yield
        finally:
            is_over.set()

    return lifespan


def keep_fresh(shelf: Shelf, browse: Browse, is_over: threading.Event) -> None:
    """Look at the tables every LOOK_SECONDS. What goes wrong is shown by pages until a look goes well."""
    while not is_over.is_set():
        try:
            shelf.refresh()
            browse.fault = ""
        except (ConfigurationError, StoreUnavailableError, OSError, duckdb.Error) as error:
            browse.fault = str(error)
        is_over.wait(LOOK_SECONDS)
