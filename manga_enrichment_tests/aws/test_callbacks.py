"""A callback over a real TLS connection: whole, once, to whom the certificate names, no longer than allowed."""

import asyncio
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from manga_enrichment.aws.outbound.callbacks import HttpsCallbacks
from manga_enrichment.domain.callbacks.signatures import SigningKey, partner_signing_key, signed_headers
from manga_enrichment.gateways.notify import CallbackAnswer
from manga_enrichment.local.stack.callback_receiver import CallbackReceiver
from manga_enrichment_tests.aws.callback_support import BODY, BRIEF_SECONDS, HEADERS, PRIVATE, post, resolving_to
from manga_enrichment_tests.aws.raw_server import Respond, answering, raw_server


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    """What a sender trusts: the test's own authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def server_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    return server_tls(authority, "127.0.0.1", "localhost")


def to_loopback(trust: ssl.SSLContext, **more: Any) -> HttpsCallbacks:
    return HttpsCallbacks(allow_loopback=True, trust=trust, **more)


async def test_body_and_headers_arrive_as_they_are(trust: ssl.SSLContext, tls: ssl.SSLContext) -> None:
    async with raw_server(answering(b"", status="204 No Content"), tls) as (url, seen):
        assert await post(to_loopback(trust), f"{url}/manga%20x?a=1&b=%2F") == CallbackAnswer(204)
    ((target, headers, body),) = seen
    assert target == "/manga%20x?a=1&b=%2F"
    assert body == BODY
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= headers.items()
    assert headers["host"] == url.removeprefix("https://")
    assert not {"cookie", "authorization", "referer"} & set(headers)


async def test_name_and_certificate_belong_together_although_the_address_is_pinned(
    trust: ssl.SSLContext, tls: ssl.SSLContext
) -> None:
    async with raw_server(answering(b"ok"), tls) as (url, seen):
        port = url.rpartition(":")[2]
        sender = to_loopback(trust, resolve=resolving_to(["127.0.0.1"]))
        assert (await post(sender, f"https://localhost:{port}/")).problem == ""
    assert seen[0][1]["host"] == f"localhost:{port}"


async def test_a_name_is_resolved_once_so_that_it_cannot_change_its_mind(
    trust: ssl.SSLContext, tls: ssl.SSLContext
) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else [PRIVATE]

    async with raw_server(answering(b"ok"), tls) as (url, _):
        answer = await post(to_loopback(trust, resolve=rebinding), url.replace("127.0.0.1", "localhost"))
    assert answer == CallbackAnswer(200)
    assert asked == ["localhost"]


async def test_this_machine_is_reached_only_through_the_setting(trust: ssl.SSLContext, tls: ssl.SSLContext) -> None:
    async with raw_server(answering(b"ok"), tls) as (url, seen):
        refused = await post(HttpsCallbacks(trust=trust), url)
        assert (refused.status, seen) == (0, [])
        assert await post(to_loopback(trust), url) == CallbackAnswer(200)
    async with raw_server(answering(b"ok")) as (url, seen):
        assert (await post(HttpsCallbacks(), url)).status == 0
        assert seen == []
        assert await post(HttpsCallbacks(allow_loopback=True), url) == CallbackAnswer(200)


async def test_a_certificate_of_an_unknown_authority_is_refused(tls: ssl.SSLContext) -> None:
    async with raw_server(answering(b"ok"), tls) as (url, seen):
        answer = await post(HttpsCallbacks(allow_loopback=True), url)
    assert answer == CallbackAnswer(0, "the receiver's certificate is not valid for its name")
    assert seen == []


async def test_a_certificate_of_another_name_is_refused(trust: ssl.SSLContext, authority: trustme.CA) -> None:
    async with raw_server(answering(b"ok"), server_tls(authority, "other.example")) as (url, seen):
        assert "certificate" in (await post(to_loopback(trust), url)).problem
    assert seen == []


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(status: str, trust: ssl.SSLContext, tls: ssl.SSLContext) -> None:
    headers = "Location: https://127.0.0.1/elsewhere\r\n"
    async with raw_server(answering(b"", status=status, headers=headers), tls) as (url, seen):
        answer = await post(to_loopback(trust), url)
    assert answer.status == int(status[:3])
    assert "redirects" in answer.problem
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("status", "taken"), [("200 OK", True), ("202 Accepted", True), ("400 No", False), ("503 X", False)]
)
async def test_the_status_line_is_the_answer(
    status: str, taken: bool, trust: ssl.SSLContext, tls: ssl.SSLContext
) -> None:
    async with raw_server(answering(b"whatever", status=status), tls) as (url, _):
        answer = await post(to_loopback(trust), url)
    assert answer.status == int(status[:3])
    assert (answer.problem == "") is taken


async def test_a_body_without_end_is_not_read(trust: ssl.SSLContext, tls: ssl.SSLContext) -> None:
    sent = 0
    chunk, chunks = b"x" * 65_536, 2000

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(chunk) * chunks}\r\n\r\n".encode())
        while sent < len(chunk) * chunks and not writer.transport.is_closing():
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
            await asyncio.sleep(0)  # drain does not wait, nor notice an end, while buffers have room

    async with raw_server(endless, tls) as (url, _):
        assert await post(to_loopback(trust), url) == CallbackAnswer(200)
    assert sent < len(chunk) * chunks / 2


async def test_headers_without_end_are_not_read(trust: ssl.SSLContext, tls: ssl.SSLContext) -> None:
    async with raw_server(answering(b"", headers=f"X-Long: {'x' * 100_000}\r\n"), tls) as (url, _):
        answer = await post(to_loopback(trust), url)
    assert (answer.status, bool(answer.problem)) == (0, True)


async def silent(_writer: asyncio.StreamWriter) -> None:
    await asyncio.get_running_loop().create_future()


async def dripping(writer: asyncio.StreamWriter) -> None:
    """A byte now and then: no single wait is long."""
    for character in "HTTP/1.1 200 OK\r\nX-Slow: " + "x" * 2000:
        writer.write(character.encode())
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("respond", [silent, dripping])
@pytest.mark.slow
async def test_a_slow_receiver_is_not_waited_for(respond: Respond, trust: ssl.SSLContext, tls: ssl.SSLContext) -> None:
    async with raw_server(respond, tls) as (url, seen):
        answer = await post(to_loopback(trust, timeout_seconds=BRIEF_SECONDS), url)
    assert answer == CallbackAnswer(0, "no answer within 0.3 s")
    assert len(seen) == 1


async def hang_up(_writer: asyncio.StreamWriter) -> None:
    pass


async def nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"this is no HTTP https://partner.example/?token=secret\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("respond", [hang_up, nonsense])
async def test_what_is_no_answer_is_a_problem_in_our_words(
    respond: Respond, trust: ssl.SSLContext, tls: ssl.SSLContext
) -> None:
    async with raw_server(respond, tls) as (url, _):
        answer = await post(to_loopback(trust), f"{url}/?token=secret")
    assert answer.status == 0
    assert answer.problem.startswith("the connection to the receiver broke (")
    assert "secret" not in answer.problem


async def test_nobody_listening_is_a_problem(trust: ssl.SSLContext) -> None:
    answer = await post(to_loopback(trust), "https://127.0.0.1:9/")
    assert answer == CallbackAnswer(0, "no connection to the receiver")


async def test_proxies_of_the_environment_are_not_used(
    trust: ssl.SSLContext, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with raw_server(answering(b"ok"), tls) as (url, _):
        assert await post(to_loopback(trust), url) == CallbackAnswer(200)


def test_the_receiver_of_the_demo_believes_what_we_send(trust: ssl.SSLContext, tls: ssl.SSLContext) -> None:
    master = SigningKey("1", "m" * 40)
    body = b'{"event_id":"evt_1","partner_id":"acme"}'
    with CallbackReceiver(master, tls=tls) as receiver:
        headers = signed_headers(partner_signing_key(master, "acme"), body, datetime.now(UTC))
        assert to_loopback(trust).post(receiver.url, body, headers) == CallbackAnswer(204)
        assert list(receiver.events) == ["evt_1"]
