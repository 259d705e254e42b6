"""The application on a socket.

Belongs here: uvicorn's settings and the moment it listens. Stays out: the command line (`__main__.py`).
"""

import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

SHUTDOWN_GRACE_SECONDS = 2
"""Hung requests would hold the process for minutes; everything else ends well within this."""


class ModelServer(uvicorn.Server):
    """A uvicorn server that says at which URL it listens.

    uvicorn opens the socket itself, by host and port: it then comes with IPPROTO_TCP. Of a socket without it
    asyncio accepts connections without TCP_NODELAY, and answers wait up to 40 ms for an acknowledgement.
    """

    def __init__(self, app: ASGIApp, host: str, port: int, on_ready: Callable[[str], None]) -> None:
        """port 0 is a random one; on_ready gets the base URL once connections are accepted."""
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                access_log=False,
                proxy_headers=False,
                log_level="warning",
                ws="none",
                timeout_graceful_shutdown=SHUTDOWN_GRACE_SECONDS,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._on_ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
