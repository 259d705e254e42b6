"""CallbackSender over aiohttp: one POST to where a stranger says, and to nowhere else.

Why aiohttp: its resolver is replaceable, so that the connection goes to exactly the addresses that were looked at,
while TLS (SNI, certificate) and `Host` still use the name; and a call can be ended at any point, also one whose
receiver sends a byte now and then.

- The name is resolved once. If any of its addresses is not public the whole name is refused; nothing resolves it again,
  so a second answer of its name server (DNS rebinding) is never asked for.
- https only, no redirects, no proxy of the environment, no cookies, one connection per call.
- The status line is the answer. Of the body at most READ_BUFFER_BYTES are read, and dropped.

To this machine (http or https on loopback) only where `allow_loopback` says so: the local stack.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address

import aiohttp
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from manga_enrichment.domain.requests.callback_urls import (
    HTTPS_PORT,
    callback_problem,
    is_loopback_callback,
    is_public_address,
)
from manga_enrichment.gateways.notify import CallbackAnswer

TIMEOUT_SECONDS = 10.0
PARTING_SECONDS = 1.0
READ_BUFFER_BYTES = 4096
USER_AGENT = "manga-enrichment-callbacks/1"
_RESOLVER_THREADS = 16
_TURNS_TO_CLOSE = 100

Resolve = Callable[[str, int], Sequence[str]]
"""Host and port to all addresses of the host. Raises OSError."""

OpenSocket = Callable[[AddrInfoType], socket.socket]
"""Makes the socket for a connection to an address."""


def system_resolve(host: str, port: int) -> list[str]:
    """What this machine's resolver says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def plain_socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    return socket.socket(family, kind, protocol)


class HttpsCallbacks:
    """Usable from many threads, not on the thread of a running event loop. Never raises for a bad receiver."""

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        timeout_seconds: float = TIMEOUT_SECONDS,
        resolve: Resolve = system_resolve,
        trust: ssl.SSLContext | None = None,
        open_socket: OpenSocket = plain_socket,
    ) -> None:
        """timeout_seconds is for everything: name, connection, answer. trust None: the usual authorities."""
        self._allow_loopback = allow_loopback
        self._timeout_seconds = timeout_seconds
        self._resolve = resolve
        self._trust = trust or ssl.create_default_context()
        self._open_socket = open_socket
        # A name server that hangs cannot be interrupted: such a thread is left to itself, the call goes on without it.
        self._resolving = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="callback-dns")

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> CallbackAnswer:
        to_loopback = self._allow_loopback and is_loopback_callback(url)
        problem = None if to_loopback else callback_problem(url)
        if problem:
            return CallbackAnswer(0, f"the callback URL {problem}")
        try:
            status = asyncio.run(self._post(url, body, headers, is_allowed=_is_loopback if to_loopback else _is_public))
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # TimeoutError is an OSError
            return CallbackAnswer(0, self._sentence(error))
        return CallbackAnswer(status, _status_problem(status))

    async def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, is_allowed: Callable[[str], bool]
    ) -> int:
        target = URL(url, encoded=True)
        ends_at = asyncio.get_running_loop().time() + self._timeout_seconds
        async with asyncio.timeout_at(ends_at):
            addresses = await self._checked_addresses(str(target.host), int(target.port or HTTPS_PORT), is_allowed)
        sockets = _Sockets(self._open_socket)
        try:
            async with self._session(addresses, sockets) as session:
                async with asyncio.timeout_at(ends_at):
                    response = await session.post(
                        target, data=body, headers={"User-Agent": USER_AGENT, **headers}, allow_redirects=False
                    )
                await _part_from(response)
                return int(response.status)
        finally:
            await sockets.end()

    def _session(self, addresses: Sequence[str], sockets: "_Sockets") -> aiohttp.ClientSession:
        """For one call to these addresses."""
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(addresses),
            use_dns_cache=False,
            force_close=True,
            happy_eyeballs_delay=None,
            ssl=self._trust,
            socket_factory=sockets.open,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=READ_BUFFER_BYTES,
            timeout=aiohttp.ClientTimeout(total=None),  # timeout_at is around every wait
        )

    async def _checked_addresses(self, host: str, port: int, is_allowed: Callable[[str], bool]) -> list[str]:
        """All addresses of the host. Raises _RefusedAddressError if one of them is not to be connected to."""
        loop = asyncio.get_running_loop()
        addresses = list(await loop.run_in_executor(self._resolving, self._resolve, host, port))
        if not addresses:
            raise socket.gaierror("no address")
        if not all(is_allowed(address) for address in addresses):
            raise _RefusedAddressError
        return addresses

    def _sentence(self, error: Exception) -> str:
        """What went wrong, in words of ours: what the receiver or an exception says may hold the URL."""
        if isinstance(error, _RefusedAddressError):
            return "the callback host resolves to an address that is not public"
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout_seconds:g} s"
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return "the receiver's certificate is not valid for its name"
        if isinstance(error, aiohttp.ClientConnectorError):
            return "no connection to the receiver"
        if isinstance(error, (socket.gaierror, UnicodeError)):
            return "the callback host has no address"
        return f"the connection to the receiver broke ({type(error).__name__})"


class _RefusedAddressError(OSError):
    pass


class _Sockets:
    """The sockets of one call: none outlives it.

    A TLS connection that is given up is closed in agreement with the other side, which may be the very one that does
    not answer; the event loop of this call does not wait that long.
    """

    def __init__(self, open_socket: OpenSocket) -> None:
        self._open_socket = open_socket
        self._opened: list[socket.socket] = []

    def open(self, address: AddrInfoType) -> socket.socket:
        self._opened.append(self._open_socket(address))
        return self._opened[-1]

    async def end(self) -> None:
        """Hang up, and let the loop notice."""
        for each in self._opened:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for _ in range(_TURNS_TO_CLOSE):
            if all(each.fileno() == -1 for each in self._opened):
                return
            await asyncio.sleep(0)


class _Pinned(AbstractResolver):
    """Answers with the addresses that were checked, whatever it is asked."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


async def _part_from(response: aiohttp.ClientResponse) -> None:
    """Let a short body arrive, so that its sender sees an orderly end; a long or slow one is cut off."""
    with suppress(aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError):  # its status is answer enough
        async with asyncio.timeout(PARTING_SECONDS):
            await response.content.readexactly(READ_BUFFER_BYTES)
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.release()


def _is_public(address: str) -> bool:
    return is_public_address(address)


def _is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback


def _status_problem(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"the receiver redirects (status {status}), which is not followed"
    return f"the receiver answered with status {status}"
