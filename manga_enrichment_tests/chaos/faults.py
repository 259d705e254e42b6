"""What can go wrong between the product and a service, and the AWS error documents in each service's own protocol.

Belongs here: kinds of faults, one stroke of a fault, error answers as AWS writes them. Stays out: doing it to a
connection (`proxy.py`), when it begins (`moments.py`).

Sources: "Common error types" and the API references of DynamoDB (JSON 1.0), SQS (JSON 1.0), S3 (REST XML) and Bedrock
runtime (REST JSON).
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import escape


class Service(StrEnum):
    """As boto3 names them, but for Bedrock runtime, which is `bedrock` here."""

    DYNAMODB = "dynamodb"
    S3 = "s3"
    SQS = "sqs"
    BEDROCK = "bedrock"


class Fault(StrEnum):
    """refused: nobody listens, and what is connected is cut.

    black_hole: connections are accepted and requests taken, nothing is answered; they are cut when the fault is over.
    latency: the request is passed on later. reset_after: the service did as asked, its answer is lost.
    reset_midway: half of the answer arrives. forged_usage: an answer tells tokens that no call can have used.
    brake: somebody puts the brake on, and no service does anything wrong.
    All others: an error document, and the service sees nothing.
    """

    REFUSED = "refused"
    BLACK_HOLE = "black_hole"
    LATENCY = "latency"
    RESET_AFTER = "reset_after"
    RESET_MIDWAY = "reset_midway"
    THROTTLED = "throttled"
    EXPIRED = "expired"
    DENIED = "denied"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    MODEL_ERROR = "model_error"
    FORGED_USAGE = "forged_usage"
    BRAKE = "brake"


OF_CONNECTIONS = frozenset(
    {Fault.REFUSED, Fault.BLACK_HOLE, Fault.LATENCY, Fault.RESET_AFTER, Fault.RESET_MIDWAY},
)


@dataclass(frozen=True, slots=True)
class Stroke:
    """A fault for a while. share: of the requests, drawn by seed; a service that refuses refuses all."""

    fault: Fault
    seconds: float
    share: float = 1.0
    seed: int = 0
    latency_seconds: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or self.seconds <= 0:
            raise ValueError(f"{self}: give a share in (0, 1] and a time above 0 s")
        if self.fault is Fault.REFUSED and self.share != 1:
            raise ValueError("a refused connection carries no request that could be drawn: share must be 1")

    def draws(self) -> random.Random:
        """The dice of this stroke: a request is struck when the next number is below `share`."""
        return random.Random(f"{self.fault}:{self.seed}")


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_REQUEST_ID = "00000000-0000-4000-8000-00000000c4a0"
_DYNAMODB = "com.amazonaws.dynamodb.v20120810"
_CORAL = "com.amazon.coral.service"
_SQS = "com.amazonaws.sqs"

_THROUGHPUT = "The level of configured provisioned throughput for the table was exceeded."
_TOKEN = "The security token included in the request is expired"

_JSON_1_0 = {
    Service.DYNAMODB: {
        Fault.THROTTLED: (400, f"{_DYNAMODB}#ProvisionedThroughputExceededException", _THROUGHPUT),
        Fault.EXPIRED: (400, f"{_CORAL}#ExpiredTokenException", _TOKEN),
        Fault.DENIED: (400, f"{_CORAL}#AccessDeniedException", "User is not authorized to perform this operation."),
        Fault.SERVER_ERROR: (500, f"{_DYNAMODB}#InternalServerError", "Internal server error"),
    },
    Service.SQS: {
        Fault.THROTTLED: (403, f"{_SQS}#RequestThrottled", "Request is throttled."),
        Fault.EXPIRED: (403, f"{_CORAL}#ExpiredTokenException", _TOKEN),
        Fault.DENIED: (403, f"{_CORAL}#AccessDeniedException", "User is not authorized to perform this operation."),
        Fault.SERVER_ERROR: (500, f"{_CORAL}#InternalFailure", "We encountered an internal error. Please try again."),
    },
}
_S3 = {
    Fault.THROTTLED: (503, "SlowDown", "Please reduce your request rate."),
    Fault.EXPIRED: (400, "ExpiredToken", "The provided token has expired."),
    Fault.DENIED: (403, "AccessDenied", "Access Denied"),
    Fault.SERVER_ERROR: (500, "InternalError", "We encountered an internal error. Please try again."),
}
_BEDROCK = {
    Fault.THROTTLED: (429, "ThrottlingException", "Too many requests, please wait before trying again."),
    Fault.EXPIRED: (403, "ExpiredTokenException", _TOKEN),
    Fault.DENIED: (403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
    Fault.SERVER_ERROR: (500, "InternalServerException", "The system encountered an unexpected error. Try again."),
    Fault.UNAVAILABLE: (503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
    Fault.MODEL_ERROR: (424, "ModelErrorException", "The system encountered an unexpected error during processing."),
}


def is_document(service: Service, fault: Fault) -> bool:
    """Whether this service has an error document for this fault."""
    documents: Mapping[Fault, object] = {Service.S3: _S3, Service.BEDROCK: _BEDROCK}.get(service) or _JSON_1_0[service]
    return fault in documents


def can_have(service: Service, fault: Fault) -> bool:
    """Whether this service can fail so."""
    forged = service is Service.BEDROCK and fault is Fault.FORGED_USAGE
    return forged or fault in OF_CONNECTIONS or is_document(service, fault)


def error_answer(service: Service, fault: Fault) -> ErrorAnswer:
    """The error as this service says it. Raises KeyError where it has none of the kind."""
    if service is Service.S3:
        status, code, message = _S3[fault]
        return _xml(status, code, message)
    if service is Service.BEDROCK:
        status, name, message = _BEDROCK[fault]
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": name, "x-amzn-RequestId": _REQUEST_ID}
        return ErrorAnswer(status, headers, json.dumps({"message": message}).encode())
    status, kind, message = _JSON_1_0[service][fault]
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": _REQUEST_ID}
    return ErrorAnswer(status, headers, json.dumps({"__type": kind, "message": message}).encode())


def _xml(status: int, code: str, message: str) -> ErrorAnswer:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{escape(message)}</Message>'
        f"<RequestId>C4A05C4A05C4A05C</RequestId><HostId>chaos</HostId></Error>"
    )
    return ErrorAnswer(status, {"Content-Type": "application/xml"}, body.encode())
