"""Where a callback goes: to public addresses that were looked at, whatever URL and name server say."""

import socket
import threading
from collections.abc import Callable, Sequence

import pytest

from manga_enrichment.aws.outbound.callbacks import HttpsCallbacks, system_resolve
from manga_enrichment.gateways.notify import CallbackAnswer
from manga_enrichment_tests.aws.callback_support import (
    BRIEF_SECONDS,
    PRIVATE,
    PUBLIC,
    Network,
    never_resolve,
    post,
    resolving_to,
)


async def test_only_the_address_that_was_looked_at_is_connected_to() -> None:
    network = Network()
    sender = HttpsCallbacks(resolve=resolving_to([PUBLIC], [PRIVATE]), open_socket=network.open_socket)
    assert await post(sender, "https://rebinding.example/") == CallbackAnswer(0, "no connection to the receiver")
    assert network.addresses == [PUBLIC]


async def test_the_second_call_looks_again() -> None:
    network = Network()
    sender = HttpsCallbacks(resolve=resolving_to([PUBLIC], [PRIVATE]), open_socket=network.open_socket)
    await post(sender, "https://rebinding.example/")
    assert "not public" in (await post(sender, "https://rebinding.example/")).problem
    assert network.addresses == [PUBLIC]


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        [PRIVATE],
        ["172.16.0.1"],
        ["192.168.1.1"],
        ["100.64.0.1"],
        ["169.254.169.254"],
        ["0.0.0.0"],  # noqa: S104
        ["224.0.0.1"],
        ["255.255.255.255"],
        ["::1"],
        ["::"],
        ["fe80::1"],
        ["fe80::1%eth0"],
        ["fc00::1"],
        ["fd00:ec2::254"],
        ["::ffff:127.0.0.1"],
        ["::ffff:169.254.169.254"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        [PUBLIC, PRIVATE],
        [PRIVATE, PUBLIC],
        [PUBLIC, "::1"],
        ["not an address"],
    ],
)
async def test_a_name_with_any_address_that_is_not_public_is_refused_unconnected(addresses: list[str]) -> None:
    network = Network()
    sender = HttpsCallbacks(resolve=resolving_to(addresses), open_socket=network.open_socket)
    answer = await post(sender, "https://partner.example/")
    assert answer == CallbackAnswer(0, "the callback host resolves to an address that is not public")
    assert network.addresses == []


@pytest.mark.parametrize(
    "url",
    [
        "http://partner.example/",
        "file:///etc/passwd",
        "ftp://partner.example/",
        "gopher://partner.example/",
        "https://127.0.0.1/",
        "https://127.0.0.1:8443/",
        "https://127.1/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://0x7f.0.0.1/",
        "https://0x7f000001/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[fe80::1]/",
        "https://[fd00:ec2::254]/",
        "https://10.0.0.1/",
        "https://localhost/",
        "https://metadata.google.internal/",
        "https://good@127.0.0.1/",
        "https://user:password@partner.example/",  # pragma: allowlist secret
        "https://partner.example:22/",
        "https://partner.example#@127.0.0.1/",
        "https://partner.example\\@127.0.0.1/",
        "https://partner.example/\r\nX-Injected: 1",
        "",
        "nonsense",
    ],
)
async def test_a_forbidden_url_is_refused_before_anything_is_looked_up(url: str) -> None:
    network = Network()
    answer = await post(HttpsCallbacks(resolve=never_resolve, open_socket=network.open_socket), url)
    assert answer.status == 0
    assert answer.problem.startswith("the callback URL must")
    assert network.addresses == []


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "http://partner.example/", "https://169.254.169.254/"])
async def test_the_setting_opens_nothing_else(url: str) -> None:
    sender = HttpsCallbacks(allow_loopback=True, resolve=never_resolve)
    assert (await post(sender, url)).problem.startswith("the callback URL must")


async def test_a_localhost_that_is_another_machine_is_refused() -> None:
    network = Network()
    sender = HttpsCallbacks(allow_loopback=True, resolve=resolving_to([PRIVATE]), open_socket=network.open_socket)
    assert "not public" in (await post(sender, "http://localhost:8080/")).problem
    assert network.addresses == []


@pytest.mark.slow
async def test_a_slow_name_server_is_not_waited_for() -> None:
    asked_enough = threading.Event()

    def hanging(host: str, port: int) -> list[str]:
        asked_enough.wait(60)
        return [PUBLIC]

    answer = await post(HttpsCallbacks(resolve=hanging, timeout_seconds=BRIEF_SECONDS), "https://partner.example/")
    asked_enough.set()
    assert answer == CallbackAnswer(0, "no answer within 0.3 s")


def raising(error: Exception) -> Callable[[str, int], Sequence[str]]:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise error

    return resolve


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
async def test_a_name_without_address_is_one_sentence(error: Exception) -> None:
    answer = await post(HttpsCallbacks(resolve=raising(error)), "https://partner.example/")
    assert answer == CallbackAnswer(0, "the callback host has no address")
    assert await post(HttpsCallbacks(resolve=lambda *_: []), "https://partner.example/") == answer


def test_the_systems_resolver_gives_each_address_once() -> None:
    assert system_resolve("127.0.0.1", 443) == ["127.0.0.1"]
    assert set(system_resolve("localhost", 443)) <= {"127.0.0.1", "::1"}
