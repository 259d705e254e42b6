"""A fault proxy per service in front of a local stack, and the switch that a test turns.

Belongs here: the thread that the proxies run in, the environment that leads a program through them, arming a stroke
for a moment. Stays out: one proxy (`proxy.py`), the program (`processes.py`).

    with FaultProxies(stack.endpoints) as proxies:
        proxies.arm(moment, Service.S3, Stroke(Fault.REFUSED, seconds=8))
        subprocess.run([...], env={**stack.child_environment(os.environ), **proxies.environment()})

A service has a proxy of its own through the variables that boto3 reads, AWS_ENDPOINT_URL_<SERVICE>: so one can be away
while the others work, though one emulator stands behind three of them.
"""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from manga_enrichment.local.stack.endpoints import LocalEndpoints
from manga_enrichment_tests.chaos.faults import Fault, Service, Stroke
from manga_enrichment_tests.chaos.moments import Moment, Seen
from manga_enrichment_tests.chaos.proxy import FaultProxy

_VARIABLES = {
    Service.DYNAMODB: "AWS_ENDPOINT_URL_DYNAMODB",
    Service.S3: "AWS_ENDPOINT_URL_S3",
    Service.SQS: "AWS_ENDPOINT_URL_SQS",
    Service.BEDROCK: "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
}
_ANSWER_SECONDS = 10.0
_KEPT = 100_000

_T = TypeVar("_T")


@dataclass(slots=True)
class _Armed:
    moment: Moment
    do: Callable[[], object]
    still: int


class FaultProxies:
    """Running inside `with`. All methods may be called from any thread."""

    def __init__(self, endpoints: LocalEndpoints, *, shorten_delays: bool = True) -> None:
        self._upstream = dict.fromkeys(Service, endpoints.emulator_url) | {Service.BEDROCK: endpoints.model_url}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxies", daemon=True)
        self._proxies: dict[Service, FaultProxy] = {}
        self._armed: list[_Armed] = []
        self._seen: deque[Seen] = deque(maxlen=_KEPT)
        self._shorten_delays = shorten_delays

    def __enter__(self) -> Self:
        self._thread.start()
        self._proxies = {
            service: FaultProxy(service, upstream, self._watch, shorten_delays=self._shorten_delays)
            for service, upstream in self._upstream.items()
        }
        for proxy in self._proxies.values():
            self._do(proxy.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for proxy in self._proxies.values():
            self._do(proxy.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def environment(self) -> dict[str, str]:
        """The variables to set beside those of the local stack."""
        return {_VARIABLES[service]: proxy.url for service, proxy in self._proxies.items()}

    def arm(self, moment: Moment, service: Service, stroke: Stroke) -> None:
        """Strike the service when the moment comes, counted from now; the request that makes it is struck, too."""
        self._do(self._arm(_Armed(moment, partial(self._proxies[service].begin, stroke), moment.count)))

    def when(self, moment: Moment, do: Callable[[], object]) -> None:
        """Do something else when the moment comes, in a thread of its own; the request that makes it is not held up."""
        self._do(self._arm(_Armed(moment, partial(self._loop.run_in_executor, None, do), moment.count)))

    def begin(self, service: Service, *strokes: Stroke) -> None:
        """Strike the service now; several strokes share its requests among them."""
        self._do(self._begin(service, *strokes))

    def end(self) -> None:
        """End all strokes and forget those that were armed."""
        self._do(self._end())

    def is_struck(self) -> bool:
        """Whether a stroke is under way."""
        return any(proxy.is_struck for proxy in self._proxies.values())

    def struck(self) -> Counter[Fault]:
        """How many requests each fault has hit since the proxies started."""
        return sum((proxy.struck for proxy in self._proxies.values()), Counter[Fault]())

    def seen(self) -> list[Seen]:
        """The requests that have passed, in order; after many the oldest are forgotten."""
        return list(self._seen)

    def _watch(self, seen: Seen) -> None:
        self._seen.append(seen)
        for armed in list(self._armed):
            armed.still -= armed.moment.fits(seen)
            if armed.still <= 0:
                self._armed.remove(armed)
                armed.do()

    async def _arm(self, armed: _Armed) -> None:
        self._armed.append(armed)

    async def _begin(self, service: Service, *strokes: Stroke) -> None:
        self._proxies[service].begin(*strokes)

    async def _end(self) -> None:
        self._armed.clear()
        for proxy in self._proxies.values():
            proxy.end()

    def _do(self, what: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_ANSWER_SECONDS)
