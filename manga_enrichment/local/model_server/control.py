"""The switches and counters under /_control/.

Belongs here: HTTP for `faults.py` and `meter.py`. Stays out: anything a client of the real service would call.
"""

from starlette.requests import Request
from starlette.responses import Response

from manga_enrichment.local.model_server.calls import json_response
from manga_enrichment.local.model_server.faults import FaultSettingsError, parse_fault_settings
from manga_enrichment.local.model_server.state import ServerState


async def health(_request: Request) -> Response:
    """GET /_control/health"""
    return json_response({"status": "ok", "stand_in": True})


async def get_faults(request: Request) -> Response:
    """GET /_control/faults"""
    return json_response(_state(request).faults.settings.model_dump())


async def put_faults(request: Request) -> Response:
    """PUT /_control/faults: replaces all switches; 400 with a message when a key or value is wrong."""
    try:
        settings = parse_fault_settings(await request.body())
    except FaultSettingsError as error:
        response = json_response({"message": str(error)})
        response.status_code = 400
        return response
    _state(request).set_faults(settings)
    return json_response(settings.model_dump())


async def counters(request: Request) -> Response:
    """GET /_control/counters"""
    return json_response(_state(request).meter.snapshot())


async def reset(request: Request) -> Response:
    """POST /_control/reset, with ?faults=1 also the switches"""
    _state(request).reset(faults=request.query_params.get("faults") == "1")
    return json_response(_state(request).meter.snapshot())


def _state(request: Request) -> ServerState:
    state: ServerState = request.app.state.server
    return state
