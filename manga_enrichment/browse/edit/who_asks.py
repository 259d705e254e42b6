"""Nobody sees a page before it is known who they are.

Belongs here: asking for each request, and what whoever is not known gets. Stays out: how one is known (`identity.py`).
"""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from manga_enrichment.browse.edit.identity import CannotTellError, Identify, NobodyError

OPEN = frozenset({"/health"})
"""What a load balancer asks itself, in nobody's name."""


class WhoAsks:
    """Puts the name into `request.state.who`."""

    def __init__(self, app: ASGIApp, identify: Identify, problem: Callable[[str], str]) -> None:
        """problem: a sentence as a page."""
        self._app, self._identify, self._problem = app, identify, problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            name = await run_in_threadpool(self._identify, Headers(scope=scope))
        except NobodyError as error:
            refusal = HTMLResponse(self._problem(f"Who you are is not known: {error}."), 401)
            await refusal(scope, receive, send)
            return
        except CannotTellError as error:
            refusal = HTMLResponse(self._problem(f"Who you are cannot be told now: {error}."), 503)
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {})["who"] = name
        await self._app(scope, receive, send)
