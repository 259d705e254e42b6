"""Acks of a resident run: requests whose rows were flushed together are acked together.

Belongs here: gathering them. Stays out: what an ack is (`pipeline/partner/ending/settle.py`,
`pipeline/partner/ending/complete.py`).
"""

import asyncio
from collections.abc import Callable

from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.pipeline.engine.outage_retry import in_thread
from manga_enrichment.pipeline.partner.ending.settle import Settled, Settling
from manga_enrichment.pipeline.partner.ending.settle_run import ack_written
from manga_enrichment.pipeline.partner.holding.requeue import Requeue
from manga_enrichment.pipeline.partner.work_units import UnitRequest

MOST_TOGETHER = 50

_Ended = RequestRow | str


class Acks:
    """Of one event loop."""

    def __init__(self, settling: Callable[[], Settling], releasing: Requeue) -> None:
        self._settling = settling
        self._releasing = releasing
        self._waiting: list[tuple[UnitRequest, Settled | str, asyncio.Future[_Ended]]] = []
        self._acking: set[asyncio.Task[None]] = set()

    async def ack(self, request: UnitRequest, settled: Settled | str) -> _Ended:
        """Once its rows are written. The final row, or why it comes again. request: with its newest handle."""
        if isinstance(settled, Settled) and settled.written is not None:
            written = asyncio.wrap_future(settled.written)
            await asyncio.wait([written])
            written.exception()  # seen; `ack_written` judges it
        ended: asyncio.Future[_Ended] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, settled, ended))
        if len(self._waiting) == 1:
            task = asyncio.create_task(self._ack_all())
            self._acking.add(task)
            task.add_done_callback(self._acking.discard)
        return await ended

    async def _ack_all(self) -> None:
        await asyncio.sleep(0)  # the others of the same flush
        while some := self._waiting[:MOST_TOGETHER]:
            self._waiting = self._waiting[MOST_TOGETHER:]
            requests, settled = [each[0] for each in some], [each[1] for each in some]
            try:
                came_to = await in_thread(ack_written, requests, settled, self._settling(), self._releasing)
            except BaseException as error:
                for _, _, ended in some:
                    if not ended.done():
                        ended.set_exception(error)
                raise
            for (_, _, ended), each in zip(some, came_to, strict=True):
                if not ended.done():
                    ended.set_result(each)
