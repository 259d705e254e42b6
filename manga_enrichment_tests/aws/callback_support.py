"""What tests of callbacks share: one POST, name servers that say what they are told, a network that leads nowhere."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manga_enrichment.aws.outbound.callbacks import HttpsCallbacks
from manga_enrichment.gateways.notify import CallbackAnswer

BODY = b'{"event_id":"evt_1"}'
HEADERS = {"Content-Type": "application/json", "X-Manga-Timestamp": "1"}
PUBLIC, PRIVATE = "8.8.8.8", "10.0.0.1"
BRIEF_SECONDS = 0.3


class Network:
    """Which connections were begun; none of them gets anywhere."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    def open_socket(self, address: Any) -> socket.socket:
        self.addresses.append(address[4][0])
        raise ConnectionRefusedError("there is no network in this test")


def never_resolve(host: str, port: int) -> Sequence[str]:
    raise AssertionError(f"{host}:{port} must not be looked up")


def resolving_to(*answers: Sequence[str]) -> Callable[[str, int], Sequence[str]]:
    """A name server that gives another answer each time."""
    left = list(answers)
    return lambda _host, _port: left.pop(0)


async def post(sender: HttpsCallbacks, url: str, headers: Mapping[str, str] = HEADERS) -> CallbackAnswer:
    return await asyncio.to_thread(sender.post, url, BODY, headers)
