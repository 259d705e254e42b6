"""What the AWS emulator's Step Functions lacks or lets pass: limits of StartSyncExecution, reading objects.

Belongs here: refusing what AWS refuses, so that it is noticed on this machine; GetObject as a task. Stays out: running
workflows, which the emulator does itself; how API Gateway gets there (`api_gateway.py`).

Like `api_gateway.py` it replaces functions of the emulator, whose version is pinned, and refuses to if they are others.
"""

import json
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from ministack import app
from ministack.core.responses import error_response_json
from ministack.services import stepfunctions

from manga_enrichment.api.workflow.machine import MAX_INPUT_BYTES
from manga_enrichment.local.stack.endpoints import REGION

_GET_OBJECT = "arn:aws:states:::aws-sdk:s3:getObject"
S3_CREDENTIAL = f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/s3/aws4_request"
_USED = ("_start_sync_execution", "_executions", "_state_machines", "_SERVICE_DISPATCH", "_ExecutionError")


class UnknownEmulatorError(RuntimeError):
    """The installed emulator is not the one this was written for."""


def check_workflows(module: ModuleType) -> None:
    """Whether ministack's Step Functions has all that is used here. Raises UnknownEmulatorError."""
    if missing := [name for name in _USED if not hasattr(module, name)]:
        raise UnknownEmulatorError(f"ministack lacks {', '.join(missing)}: install the version in constraints.txt")


def install_workflows() -> None:
    """Once per process. Raises UnknownEmulatorError."""
    check_workflows(stepfunctions)
    stepfunctions._start_sync_execution = _with_limits(stepfunctions._start_sync_execution)
    stepfunctions._SERVICE_DISPATCH[_GET_OBJECT] = _get_object


async def start_sync_execution(request: str) -> tuple[int, str]:
    """(status, JSON) of a StartSyncExecution."""
    target = {"x-amz-target": "AWSStepFunctions.StartSyncExecution"}
    status, _, body = await stepfunctions.handle_request("POST", "/", target, request.encode("utf-8", "replace"), {})
    return status, body.decode("utf-8") if isinstance(body, bytes) else body


def _with_limits(original: Callable[[Mapping[str, Any]], Any]) -> Callable[[Mapping[str, Any]], Any]:
    def start(request: Mapping[str, Any]) -> Any:
        if refused := _refusal(request):
            return error_response_json(*refused, 400)
        answer = original(request)
        stepfunctions._executions.pop(json.loads(answer[2]).get("executionArn", ""), None)  # AWS keeps none, too
        return answer

    return start


def _refusal(request: Mapping[str, Any]) -> tuple[str, str] | None:
    """(error type, message) of what AWS does not run."""
    given = request.get("input", "{}")
    if len(given.encode("utf-8", "replace")) > MAX_INPUT_BYTES:
        return "ValidationException", f"Value at 'input' must have length less than or equal to {MAX_INPUT_BYTES}"
    try:
        json.loads(given)
    except ValueError:
        return "InvalidExecutionInput", "The provided JSON input data is not valid."
    machine = stepfunctions._state_machines.get(request.get("stateMachineArn", ""), {})
    if machine.get("type", "EXPRESS") != "EXPRESS":
        return "StateMachineTypeNotSupported", "This operation is not supported by this type of state machine"
    return None


def _get_object(_resource: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"host": f"s3.{REGION}.amazonaws.com", "authorization": S3_CREDENTIAL}
    path = f"/{arguments['Bucket']}/{arguments['Key']}"
    status, _, body = app.call_service_handler_sync(app.SERVICE_HANDLERS["s3"], "GET", path, headers, b"", {})
    if status >= 400:
        name = "S3.NoSuchKeyException" if status == 404 else "S3.S3Exception"
        raise stepfunctions._ExecutionError(name, f"status {status}")
    return {"Body": body.decode("utf-8") if isinstance(body, bytes) else body}
