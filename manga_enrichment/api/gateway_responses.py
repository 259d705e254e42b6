"""What API Gateway answers itself, before any integration: in our form of an error instead of its own.

Belongs here: status, code and words by kind of refusal. Stays out: answers of integrations (`templates/`).

API Gateway puts values into these texts and does nothing else: no Velocity, no escaping. `messageString` comes with its
quotation marks; the details of the validator do not, but are JSON inside. Nothing else that a client sent is shown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

REQUEST_ID = "$context.requestId"
DETAILS = "$context.error.validationErrorString"


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """status: None keeps the one of API Gateway. message: "" shows API Gateway's own."""

    status: int | None
    code: str
    message: str
    retry_after_seconds: int | None = None
    details: bool = False

    def template(self) -> str:
        """The body, as API Gateway fills it in."""
        error: dict[str, Any] = {"code": self.code, "message": self.message or "$message"}
        if self.details:
            error["details"] = DETAILS
        if self.retry_after_seconds is not None:
            error["retry_after_seconds"] = self.retry_after_seconds
        document = {"success": False, "error": error, "metadata": {"request_id": REQUEST_ID}}
        return json.dumps(document).replace('"$message"', "$context.error.messageString")

    def headers(self) -> dict[str, str]:
        """`ResponseParameters`."""
        if self.retry_after_seconds is None:
            return {}
        return {"gatewayresponse.header.Retry-After": f"'{self.retry_after_seconds}'"}


GATEWAY_ANSWERS: Mapping[str, GatewayAnswer] = MappingProxyType(
    {
        "BAD_REQUEST_BODY": GatewayAnswer(400, "VALIDATION_ERROR", "", details=True),
        "BAD_REQUEST_PARAMETERS": GatewayAnswer(400, "VALIDATION_ERROR", ""),
        "INVALID_API_KEY": GatewayAnswer(
            403, "FORBIDDEN", "Send the API key that we gave you as the header x-api-key."
        ),
        "MISSING_AUTHENTICATION_TOKEN": GatewayAnswer(
            404, "NOT_FOUND", "There is no such path, or not with this method."
        ),
        "RESOURCE_NOT_FOUND": GatewayAnswer(404, "NOT_FOUND", "There is no such path, or not with this method."),
        "REQUEST_TOO_LARGE": GatewayAnswer(413, "REQUEST_TOO_LARGE", "A request may have 256 KB: split the batch."),
        "UNSUPPORTED_MEDIA_TYPE": GatewayAnswer(415, "UNSUPPORTED_MEDIA_TYPE", "Send JSON as application/json."),
        "THROTTLED": GatewayAnswer(429, "RATE_LIMITED", "More requests a second than agreed on.", 1),
        "QUOTA_EXCEEDED": GatewayAnswer(429, "QUOTA_EXCEEDED", "More requests a day than agreed on.", 3600),
        "INTEGRATION_TIMEOUT": GatewayAnswer(503, "UNAVAILABLE", "No answer in time. Send it again.", 5),
        "INTEGRATION_FAILURE": GatewayAnswer(503, "UNAVAILABLE", "No answer. Send it again.", 5),
        "DEFAULT_4XX": GatewayAnswer(None, "REQUEST_REFUSED", ""),
        "DEFAULT_5XX": GatewayAnswer(None, "INTERNAL_ERROR", "Something went wrong on our side. Send it again."),
    }
)
"""By API Gateway's response type."""
