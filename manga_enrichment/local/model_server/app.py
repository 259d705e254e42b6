"""The ASGI application: routes, unknown paths, and what is written regularly while it runs.

Belongs here: assembly. Stays out: what the endpoints do (`calls.py`, `control.py`) and sockets (`serving.py`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from manga_enrichment.local.model_server import calls, control
from manga_enrichment.local.model_server.batch import endpoints as batch_endpoints
from manga_enrichment.local.model_server.record_file import RecordFile
from manga_enrichment.local.model_server.service_metrics import ServiceMetrics
from manga_enrichment.local.model_server.state import ServerState

SAVE_INTERVAL_SECONDS = 1.0
SEND_INTERVAL_SECONDS = 2.0
_MODEL, _ASK = "/model/", "/converse"


def create_app(state: ServerState) -> ASGIApp:
    """The server around `state`. Record file and metrics are written regularly while it runs, and at shutdown."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        keepers = []
        if state.record is not None:
            keepers.append(asyncio.create_task(_save_regularly(state.record)))
        if state.metrics is not None:
            keepers.append(asyncio.create_task(_send_regularly(state.metrics)))
        try:
            yield
        finally:
            state.batch.clear()
            for keeper in keepers:
                keeper.cancel()
                with suppress(asyncio.CancelledError):
                    await keeper
            if state.record is not None:
                state.record.save()
            if state.metrics is not None:
                await asyncio.to_thread(state.metrics.send, state.metrics.take())

    app = Starlette(routes=_routes(), exception_handlers={404: _unknown_operation}, lifespan=lifespan)
    app.state.server = state
    return _with_short_way(app)


def _with_short_way(app: Starlette) -> ASGIApp:
    """Model calls skip routing and middleware, a seventh of their cost; benchmarks share two cores with this server."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] == "http" and scope["method"] == "POST" and path.startswith(_MODEL) and path.endswith(_ASK):
            scope["app"] = app
            scope["path_params"] = {"model_id": path[len(_MODEL) : -len(_ASK)]}
            response = await calls.converse_endpoint(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await app(scope, receive, send)

    return dispatch


def _routes() -> list[Route]:
    # The path convertor, because the ARN of an inference profile has a slash once it is decoded.
    model = "/model/{model_id:path}"
    return [
        Route(f"{model}{_ASK}", calls.converse_endpoint, methods=["POST"]),
        Route(f"{model}/invoke", calls.invoke_endpoint, methods=["POST"]),
        Route(f"{model}/count-tokens", calls.count_tokens_endpoint, methods=["POST"]),
        Route("/model-invocation-job", batch_endpoints.create_job, methods=["POST"]),
        Route("/model-invocation-jobs", batch_endpoints.list_jobs, methods=["GET"]),
        Route("/model-invocation-job/{job_id:path}/stop", batch_endpoints.stop_job, methods=["POST"]),
        Route("/model-invocation-job/{job_id:path}", batch_endpoints.get_job, methods=["GET"]),
        Route("/_control/health", control.health, methods=["GET"]),
        Route("/_control/faults", control.get_faults, methods=["GET"]),
        Route("/_control/faults", control.put_faults, methods=["PUT"]),
        Route("/_control/counters", control.counters, methods=["GET"]),
        Route("/_control/reset", control.reset, methods=["POST"]),
    ]


async def _save_regularly(record: RecordFile) -> None:
    while True:
        await asyncio.sleep(SAVE_INTERVAL_SECONDS)
        record.save()


async def _send_regularly(metrics: ServiceMetrics) -> None:
    while True:
        await asyncio.sleep(SEND_INTERVAL_SECONDS)
        if data := metrics.take():
            await asyncio.to_thread(metrics.send, data)


async def _unknown_operation(request: Request, _error: Exception) -> Response:
    response = calls.json_response({"message": f"The offline server has no operation at {request.url.path}"})
    response.status_code = 404
    response.headers["x-amzn-ErrorType"] = "UnknownOperationException"
    return response
