"""Settling the requests of a run: each on its own, many at once, acked together once their rows are written.

Belongs here: what one request's fault means for it and not for the others, the run's report. Stays out: the order in
which one is settled (`settle.py`).
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.results import RequestResult
from manga_enrichment.gateways.errors import FencedError, QueueUnavailableError, StoreUnavailableError
from manga_enrichment.pipeline.partner.ending.settle import Settled, Settling
from manga_enrichment.pipeline.partner.holding.leases import Leases
from manga_enrichment.pipeline.partner.holding.requeue import Requeue, give_back_one
from manga_enrichment.pipeline.partner.work_units import UnitRequest
from manga_enrichment.pipeline.store.flusher import Part

SETTLERS = 8
SETTLED_TOGETHER = 200  # their rows are one object; they are acked after it, some seconds after their status

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class SettleReport:
    """One run. left: requests that could not be settled, by reason; they come again."""

    states: Counter[str] = field(default_factory=Counter)
    left: dict[str, str] = field(default_factory=dict)
    items: Counter[str] = field(default_factory=Counter)
    cost_micro_usd: int = 0
    result_keys: list[str] = field(default_factory=list)

    def add(self, request_id: str, settled: RequestRow | str, result: RequestResult) -> None:
        """settled: the final row, or why there is none."""
        if isinstance(settled, str):
            self.left[request_id] = settled
            return
        self.states[settled.state.value] += 1
        self.items.update(result.counts)
        self.cost_micro_usd += result.cost_micro_usd
        if settled.result_key:
            self.result_keys.append(settled.result_key)


def settle_all(
    requests: Sequence[UnitRequest],
    results: Mapping[str, RequestResult],
    *,
    settling: Settling,
    releasing: Requeue,
    leases: Leases,
    workers: int,
    tried_before: bool = False,
) -> SettleReport:
    """Settle each request on its own: one that cannot be settled does not keep the others from it.

    Some share a flush, and are acked after it. One that a store is away from is given back. results: by request id.
    """
    newest = {request.request_id: request for request in (*requests, *leases.held())}  # with their newest handles
    report = SettleReport()

    def settle(request: UnitRequest) -> Settled | str:
        of = request.request_id
        settled = settle_one(request, newest[of], results[of], settling, releasing, tried_before=tried_before)
        leases.drop(of)  # a final row is renewed no more; its message stays hidden for long enough
        return settled

    with ThreadPoolExecutor(workers) as pool:
        for begin in range(0, len(requests), SETTLED_TOGETHER):
            some = requests[begin : begin + SETTLED_TOGETHER]
            settled = list(pool.map(settle, some))
            settling.flusher.flush()
            acked = ack_written([newest[each.request_id] for each in some], settled, settling, releasing)
            for request, each in zip(some, acked, strict=True):
                report.add(request.request_id, each, results[request.request_id])
    return report


def settle_one(
    request: UnitRequest,
    newest: UnitRequest,
    result: RequestResult,
    settling: Settling,
    releasing: Requeue,
    *,
    log: Sequence[Part] = (),
    tried_before: bool = False,
) -> Settled | str:
    """What it settled as, or why it comes again. newest: the same request with its newest handle."""
    try:
        return settling.settle(request, result, log=log, tried_before=tried_before)
    except FencedError:
        return "another generation has it"
    except QueueUnavailableError as error:
        return str(error)
    except (StoreUnavailableError, ConfigurationError) as error:
        return give_back_one(newest, releasing, error)
    except Exception as error:  # noqa: BLE001 (a fault in one request must not cost the others their answers)
        _log.exception("request %s could not be settled", request.request_id)
        return f"{type(error).__name__}: {error}"


def ack_written(
    requests: Sequence[UnitRequest], settled: Sequence[Settled | str], settling: Settling, releasing: Requeue
) -> list[RequestRow | str]:
    """Ack those whose rows are written, once their flush is over. The final row of each, or why it comes again.

    requests: with their newest handles.
    """
    ended: list[RequestRow | str] = []
    written: list[Settled] = []
    for request, each in zip(requests, settled, strict=True):
        error = None if isinstance(each, str) or each.written is None else each.written.exception()
        if isinstance(each, str):
            ended.append(each)
        elif isinstance(error, Exception) and each.request is not None:  # else it was given back before
            ended.append(give_back_one(request, releasing, error))
        else:
            ended.append(each.row)
            written.append(each)
    try:
        settling.ack(written)
    except (QueueUnavailableError, StoreUnavailableError, ConfigurationError) as error:
        acked = {each.row.request_id for each in written if each.request is not None}
        return [str(error) if isinstance(each, RequestRow) and each.request_id in acked else each for each in ended]
    return ended
