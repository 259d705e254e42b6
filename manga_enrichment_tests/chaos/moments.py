"""When a fault begins: at the n-th request of a kind that passes the proxies.

Belongs here: what a request is, told from its headers and path, and the moments of a night and of a drain. Stays out:
the proxies (`proxy.py`), the faults (`faults.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from manga_enrichment_tests.chaos.faults import Service

CONVERSE = "Converse"
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_SIGNING_NAMES = {"dynamodb": Service.DYNAMODB, "s3": Service.S3, "sqs": Service.SQS, "bedrock": Service.BEDROCK}
_TARGETS = {"DynamoDB_20120810": Service.DYNAMODB, "AmazonSQS": Service.SQS}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request. operation: Converse, GetItem, PUT and so on; path: of the URL, still quoted."""

    service: Service | None
    operation: str
    path: str


def identify(method: str, path: str, headers: Mapping[str, str]) -> Seen:
    """Which operation of which service a request is; None for one that is no AWS request."""
    family, _, operation = headers.get("X-Amz-Target", "").partition(".")
    scope = _SCOPE.search(headers.get("Authorization", ""))
    service = _TARGETS.get(family) or (_SIGNING_NAMES.get(scope[1]) if scope else None)
    if service is Service.BEDROCK and path.endswith("/converse"):
        operation = CONVERSE
    return Seen(service, operation or method, path)


class MomentName(StrEnum):
    IMPORT = "import"
    PLAN = "plan"
    INVOKE_BEGINS = "invoke begins"
    INVOKE = "invoke"
    WRITE = "write"
    TICK = "tick"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True)
class Moment:
    """The count-th request of this operation whose path contains `where`."""

    name: MomentName
    service: Service
    operation: str
    where: str = ""
    count: int = 1

    def fits(self, seen: Seen) -> bool:
        return seen.service is self.service and seen.operation == self.operation and self.where in seen.path


NIGHT = {
    each.name: each
    for each in (
        Moment(MomentName.IMPORT, Service.S3, "GET", where="/enrichment/catalog/_state.json"),
        Moment(MomentName.PLAN, Service.S3, "GET", where="/calibration/"),
        Moment(MomentName.INVOKE_BEGINS, Service.BEDROCK, "GET"),
        Moment(MomentName.INVOKE, Service.BEDROCK, CONVERSE, count=14),
        Moment(MomentName.WRITE, Service.S3, "PUT", where="/enrichment/requests/"),
    )
}
"""The first look at the catalog's state; the planner's first read; the look whether Bedrock is there, before any call;
calls under way,
shortly before the feeder reads the second bucket; the first log object."""

DRAIN = {
    each.name: each
    for each in (
        Moment(MomentName.TICK, Service.SQS, "ReceiveMessage"),
        Moment(MomentName.PLAN, Service.S3, "GET", where="/runs/units/"),
        Moment(MomentName.INVOKE_BEGINS, Service.BEDROCK, "GET"),
        Moment(MomentName.INVOKE, Service.BEDROCK, CONVERSE, count=3),
        Moment(MomentName.SETTLE, Service.S3, "PUT", where="/fm-results/", count=2),
    )
}
"""The first receive; the run reads its unit; as in a night; the second result is written."""
