"""A proxy in front of one service that passes everything on, until it is struck by a fault.

Belongs here: one listening port and what a fault does to its connections. Stays out: which fault when (`proxies.py`).
It runs on one event loop; nothing here is safe to call from another thread.

One thing it does not pass on as it is, unless told to: how long a queue is to hold a message back. The product counts
that in its own time, which a test moves; the queue's time is the machine's.
"""

import asyncio
import json
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import aiohttp
from aiohttp import web
from yarl import URL

from manga_enrichment_tests.chaos.faults import Fault, Service, Stroke, error_answer, is_document
from manga_enrichment_tests.chaos.moments import CONVERSE, Seen, identify

LOOPBACK = "127.0.0.1"
_BACKLOG = 512
_LARGEST_BODY = 1 << 30
_MIDWAY_SECONDS = 0.05
_DELAY = re.compile(rb'"DelaySeconds": *[1-9][0-9]*')
_SHORTEST_DELAY = b'"DelaySeconds": 1'
_FORGED = {"outputTokens": 2**64 - 1, "inputTokens": 2**63 - 1}
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect"})

Watch = Callable[[Seen], None]


class FaultProxy:
    """Between `start` and `stop`.

    struck: how many requests each fault has hit. A refused connection leaves no trace here: of `refused` it counts
    that it began, and the connections that it cut.
    """

    def __init__(self, service: Service, upstream: str, watch: Watch, *, shorten_delays: bool = True) -> None:
        """upstream: base URL. watch: told of every request before it is passed on; may call `begin`."""
        self.service = service
        self.struck: Counter[Fault] = Counter()
        self.requests = 0
        self._upstream = upstream.rstrip("/")
        self._watch = watch
        self._shorten_delays = shorten_delays
        self._strokes: tuple[Stroke, ...] = ()
        self._draws = random.Random()
        self._ending: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._relistening: asyncio.Future[None]

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        if self._runner.server is None:
            raise RuntimeError("aiohttp has set up no server")
        self._protocols: web.Server = self._runner.server
        self._place = _bound(0)  # keeps the port ours while nobody listens
        self.port: int = self._place.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._relistening = asyncio.ensure_future(self._listen())
        await self._relistening

    async def stop(self) -> None:
        self.end()
        await self._relistening
        self._server.close()
        self._cut_connections()
        await self._runner.cleanup()
        await self._session.close()
        self._place.close()

    def begin(self, *strokes: Stroke) -> None:
        """Strike from now on, until the longest stroke is over. Replaces what is under way.

        Of several, a request meets one at most: the first one's dice decide, by all shares.
        """
        self.end()
        self._strokes, self._draws, self._over = strokes, strokes[0].draws(), asyncio.Event()
        self._ending = asyncio.get_running_loop().call_later(max(each.seconds for each in strokes), self.end)
        if self._refuses:
            self._server.close()
            self.struck[Fault.REFUSED] += 1 + self._cut_connections()

    def end(self) -> None:
        """All is well again; what a black hole held is cut."""
        refused, self._strokes = self._refuses, ()
        if self._ending is not None:
            self._ending.cancel()
        self._over.set()
        if refused:
            self._relistening = asyncio.ensure_future(self._listen())

    @property
    def is_struck(self) -> bool:
        return bool(self._strokes)

    @property
    def _refuses(self) -> bool:
        return any(each.fault is Fault.REFUSED for each in self._strokes)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocols, sock=_bound(self.port), backlog=_BACKLOG)

    def _cut_connections(self) -> int:
        connections = [each.transport for each in self._protocols.connections if each.transport]
        for transport in connections:
            _reset(transport)
        return len(connections)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        body = await request.read()
        if self._shorten_delays:
            body = _DELAY.sub(_shortened, body)
        seen = identify(request.method, request.raw_path, request.headers)
        self._watch(seen if seen.service else replace(seen, service=self.service))  # a look whether anybody is there
        stroke = self._drawn()
        if stroke is None or (stroke.fault is Fault.FORGED_USAGE and seen.operation != CONVERSE):
            return await self._passed_on(request, body)
        self.struck[stroke.fault] += stroke.fault is not Fault.REFUSED  # those are counted as connections
        if is_document(self.service, stroke.fault):
            answer = error_answer(self.service, stroke.fault)
            return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
        return await self._mishandled(request, body, stroke)

    def _drawn(self) -> Stroke | None:
        """What the next request meets."""
        number = self._draws.random()
        for stroke in self._strokes:
            if number < stroke.share:
                return stroke
            number -= stroke.share
        return None

    async def _mishandled(self, request: web.Request, body: bytes, stroke: Stroke) -> web.StreamResponse:
        match stroke.fault:
            case Fault.LATENCY:
                await asyncio.sleep(stroke.latency_seconds)
                return await self._passed_on(request, body)
            case Fault.RESET_MIDWAY:
                return await self._half(request, body)
            case Fault.FORGED_USAGE:
                return await self._passed_on(request, body, _forged)
            case Fault.RESET_AFTER:
                await self._asked(request, body)
            case Fault.BLACK_HOLE:
                await self._over.wait()
        return _cut(request)

    async def _asked(self, request: web.Request, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the service answers: status, headers, body."""
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP]
        async with self._session.request(
            request.method,
            URL(self._upstream + request.raw_path, encoded=True),
            headers=headers,
            data=body or None,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            allow_redirects=False,
        ) as response:
            kept = [(name, value) for name, value in response.headers.items() if name.lower() not in _HOP_BY_HOP]
            return response.status, kept, await response.read()

    async def _passed_on(
        self, request: web.Request, body: bytes, rewrite: Callable[[bytes], bytes] = bytes
    ) -> web.StreamResponse:
        try:
            status, headers, answer = await self._asked(request, body)
        except aiohttp.ClientError:  # the service itself broke off: so do we
            return _cut(request)
        answer = rewrite(answer)
        response = web.StreamResponse(status=status)
        for name, value in headers:
            response.headers.add(name, value)
        if request.method != "HEAD":  # of which the header alone is the answer
            response.content_length = len(answer)
        with suppress(ConnectionError):
            await response.prepare(request)
            await response.write(answer)
        return response

    async def _half(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Headers that promise the whole answer, half of it, and a reset."""
        status, headers, answer = await self._asked(request, body)
        response = web.StreamResponse(status=status)
        for name, value in headers:
            response.headers.add(name, value)
        response.content_length = len(answer)
        with suppress(ConnectionError):
            await response.prepare(request)
            await response.write(answer[: len(answer) // 2])
            await asyncio.sleep(_MIDWAY_SECONDS)  # else the reset may overtake what was written
        return _cut(request, response)


def _forged(answer: bytes) -> bytes:
    """The same answer, having used impossibly many tokens: in and out by turns, as the answer's length has it."""
    document = json.loads(answer)
    name = sorted(_FORGED)[len(answer) % len(_FORGED)]
    document["usage"][name] = _FORGED[name]
    return json.dumps(document).encode()


def _shortened(delay: re.Match[bytes]) -> bytes:
    """One second, in as many bytes."""
    return _SHORTEST_DELAY.ljust(len(delay[0])) if len(delay[0]) >= len(_SHORTEST_DELAY) else delay[0]


def _bound(port: int) -> socket.socket:
    """A socket with this port; several may have it as long as one of them listens."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((LOOPBACK, port))
    bound.setblocking(False)
    return bound


def _cut(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Reset the connection of a request; what is returned goes nowhere any more."""
    if request.transport is not None:
        _reset(request.transport)
    return response or web.Response()


def _reset(transport: asyncio.BaseTransport) -> None:
    """RST instead of FIN: what a client sees of a process that died."""
    peer = transport.get_extra_info("socket")
    if peer is not None:
        with suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()
