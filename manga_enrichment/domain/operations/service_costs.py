"""What SQS, API Gateway and the workflow may have cost for a partner's request: estimates, never part of the bill.

Belongs here: the packaged price list, how many calls a request is taken to make. Pure. Stays out: which requests there
were (`pipeline/health/service_costs.py`); what models cost (`domain/models/usage.py`).

AWS bills these by account, not by request, and tells nobody which call belonged to which. So they are counted as below,
rather too high than too low: a receive and a deletion are mostly shared by several messages.
"""

import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

SQS_CALLS = 4
"""Send, receive, one renewal, delete; again for each generation."""
STATUS_CALLS = 1
"""A batch is answered with 202: somebody asks for its state."""
LONGEST_WAIT_SECONDS = 10.0
"""What the workflow waits for the answer to a conversation, unless it is told otherwise."""
BATCH_SECONDS = 0.2
WORKFLOW_GB = 64 / 1024
_DURATION_SECONDS = 0.1  # rounded up to that
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class ServicePrices:
    """Micro-dollars per million; as_of: ISO date."""

    as_of: str
    sqs_request: int
    api_call: int
    workflow_start: int
    workflow_gb_second: int


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """An answered request. seconds: from accepted to completed; by_api: whether the workflow sent it."""

    generation: int
    by_api: bool
    is_conversation: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class ServiceEstimate:
    """In micro-dollars, each rounded up once for all its requests."""

    requests: int
    sqs_micro_usd: int
    api_micro_usd: int
    workflow_micro_usd: int


def load_prices() -> ServicePrices:
    """The packaged list."""
    text = files("manga_enrichment.domain.operations").joinpath("service_prices.toml").read_text("utf-8")
    document = tomllib.loads(text)
    return ServicePrices(
        as_of=document["as_of"].isoformat(),
        sqs_request=document["sqs"]["request"],
        api_call=document["api"]["call"],
        workflow_start=document["workflow"]["start"],
        workflow_gb_second=document["workflow"]["gb_second"],
    )


def estimate(served: Iterable[ServedRequest], prices: ServicePrices) -> ServiceEstimate:
    known = list(served)
    by_api = [each for each in known if each.by_api]
    sqs = sum(each.generation for each in known) * SQS_CALLS * prices.sqs_request
    calls = sum(1 if each.is_conversation else 1 + STATUS_CALLS for each in by_api)
    gb_seconds = sum(map(_workflow_seconds, by_api)) * WORKFLOW_GB
    workflow = len(by_api) * prices.workflow_start + gb_seconds * prices.workflow_gb_second
    return ServiceEstimate(len(known), _whole(sqs), _whole(calls * prices.api_call), _whole(workflow))


def _workflow_seconds(request: ServedRequest) -> float:
    seconds = min(request.seconds, LONGEST_WAIT_SECONDS) if request.is_conversation else BATCH_SECONDS
    return math.ceil(seconds / _DURATION_SECONDS - 1e-9) * _DURATION_SECONDS


def _whole(micro_usd_times_million: float) -> int:
    return math.ceil(micro_usd_times_million / _MILLION - 1e-9)
