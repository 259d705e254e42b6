"""The steps of a partner run, from its unit to the last ack.

Belongs here: taking requests over, the order of the steps, one request's fault kept from the others. Stays out: each
step itself, and Dagster (`defs/partner/assets.py`).
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.results import RequestResult
from manga_enrichment.domain.requests.states import RequestState, TransitionError
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import FencedError, QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.leases import Leases
from manga_enrichment.pipeline.partner.requeue import Requeue
from manga_enrichment.pipeline.partner.settle import Settling
from manga_enrichment.pipeline.partner.stored_requests import StoredRequest, StoredRequests
from manga_enrichment.pipeline.partner.work_units import UnitRequest, WorkUnit

SETTLERS = 8

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class SettleReport:
    """One run. left: requests that could not be settled, by reason; they come again."""

    states: Counter[str] = field(default_factory=Counter)
    left: dict[str, str] = field(default_factory=dict)
    items: Counter[str] = field(default_factory=Counter)
    cost_micro_usd: int = 0
    result_keys: list[str] = field(default_factory=list)

    def add(self, row: RequestRow, result: RequestResult) -> None:
        self.states[row.state.value] += 1
        self.items.update(result.counts)
        self.cost_micro_usd += result.cost_micro_usd
        if row.result_key:
            self.result_keys.append(row.result_key)


def take_over(
    unit: WorkUnit, run_id: str, *, requests: RequestStore, leases: Leases, clock: Clock
) -> list[UnitRequest]:
    """Make the unit's requests this run's own and hold their leases; those that are somebody else's are left out.

    All are held from the start: should a store be away for good in the middle of this, they are given back.
    """
    taken = []
    for request in unit.requests:
        leases.add(request, clock.now())
    for request in unit.requests:
        until = clock.now() + timedelta(seconds=request.visibility_seconds)
        try:
            row = requests.update(
                request.request_id,
                request.owner,
                request.generation,
                RequestState.PROCESSING,
                run_id=run_id,
                lease_until=until,
            )
        except (FencedError, TransitionError) as error:
            _log.info("request %s is left out: %s", request.request_id, error)
            leases.drop(request.request_id)
            continue
        mine = request.with_handle_of(row)
        leases.add(mine, until)
        taken.append(mine)
    return taken


def stored_requests(stored: StoredRequests, requests: Iterable[UnitRequest]) -> list[StoredRequest]:
    return [stored.read(request.body_key) for request in requests]


def settle_all(
    requests: Sequence[UnitRequest],
    results: Sequence[RequestResult],
    run_id: str,
    *,
    settling: Settling,
    releasing: Requeue,
    leases: Leases,
    workers: int = SETTLERS,
) -> SettleReport:
    """Settle each request on its own: one that cannot be settled does not keep the others from it.

    One that a store is away from is given back; its next generation finds the answers in the ledger.
    """
    by_id = {result.request_id: result for result in results}
    held = {request.request_id: request for request in leases.held()}  # with their newest handles
    report = SettleReport()

    def settle(request: UnitRequest) -> RequestRow | str:
        try:
            return _settle_one(request, by_id[request.request_id], run_id, settling)
        except (StoreUnavailableError, ConfigurationError) as error:
            return _give_back(held.get(request.request_id, request), releasing, error)

    with ThreadPoolExecutor(workers) as pool:
        for request, settled in zip(requests, pool.map(settle, requests), strict=True):
            leases.drop(request.request_id)
            if isinstance(settled, RequestRow):
                report.add(settled, by_id[request.request_id])
            else:
                report.left[request.request_id] = settled
    return report


def _settle_one(request: UnitRequest, result: RequestResult, run_id: str, settling: Settling) -> RequestRow | str:
    """The final row, or why it could not be settled. Raises what says that a store is away."""
    try:
        return settling.settle(request, result, run_id)
    except FencedError:
        return "another generation has it"
    except QueueUnavailableError as error:
        return str(error)
    except (StoreUnavailableError, ConfigurationError):
        raise
    except Exception as error:  # noqa: BLE001 (a fault in one request must not cost the others their answers)
        _log.exception("request %s could not be settled", request.request_id)
        return f"{type(error).__name__}: {error}"


def release_all(
    leases: Leases,
    releasing: Requeue,
    *,
    delay_seconds: int,
    error_class: str,
    reason: str,
    say: Callable[[str], None],
) -> int:
    """Give back what this process still holds, for example because it is to end. Returns how many.

    Once a store has turned out to be away, the rest goes back with SQS alone: asking it for each would take minutes.
    """
    released = 0
    away: Exception | None = None
    for request in leases.held():
        leases.drop(request.request_id)
        try:
            if away is None:
                releasing.release(request, delay_seconds=delay_seconds, error_class=error_class, reason=reason)
                released += 1
        except (FencedError, TransitionError):
            continue  # settled, or another generation's
        except (StoreUnavailableError, ConfigurationError) as error:
            away = error
        except (QueueUnavailableError, LookupError) as error:
            say(f"request {request.request_id} comes again when its lease is over: {error}")
        if away is not None:
            say(f"request {request.request_id}: {_give_back(request, releasing, away)}")
    return released


def _give_back(request: UnitRequest, releasing: Requeue, away: Exception) -> str:
    """With SQS alone. Returns a sentence."""
    try:
        releasing.give_back(request)
    except QueueUnavailableError as error:
        return f"it comes again when its lease is over: {away}; {error}"
    return f"it is given back and comes again later: {away}"
