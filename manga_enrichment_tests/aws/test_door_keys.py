"""A key of the door comes over HTTP, small and soon, or not at all."""

import asyncio
from collections.abc import Callable

import pytest

from manga_enrichment.aws.outbound.door_keys import MAX_BYTES, DoorKeys
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment_tests.aws.raw_server import raw_server
from manga_enrichment_tests.door import KEY_ID, public_pem


async def _fetched(answer: bytes, check: Callable[[str | None], None]) -> list[str]:
    async def respond(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with raw_server(respond) as (address, seen):
        check(await asyncio.to_thread(DoorKeys(f"{address}/keys", SystemClock()).fetch, KEY_ID))
    return [target for target, _headers, _body in seen]


def _said(status: str, body: bytes, *more: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *more])
    return f"{head}\r\n\r\n".encode() + body


def _is(wanted: str | None) -> Callable[[str | None], None]:
    def check(found: str | None) -> None:
        assert found == wanted

    return check


async def test_a_key_is_asked_for_by_its_id() -> None:
    key = public_pem()
    assert await _fetched(_said("200 OK", key.encode()), _is(key)) == [f"/keys/{KEY_ID}"]


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden"])
async def test_an_unknown_id_has_no_key(status: str) -> None:
    assert len(await _fetched(_said(status, b"<Error/>"), _is(None))) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_said("500 Oops", b""), "answers 500"),
        (_said("302 Found", b"", "Location: http://127.0.0.1:9/"), "answers 302"),
        (_said("200 OK", b"x" * (MAX_BYTES + 1)), "more than a key has"),
        (b"nonsense\r\n\r\n", "does not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "does not answer"),
    ],
)
async def test_anything_else_is_no_key_and_one_sentence(answer: bytes, said: str) -> None:
    with pytest.raises(StoreUnavailableError, match=said):
        await _fetched(answer, _is("never"))


def test_nobody_there_is_one_sentence() -> None:
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        DoorKeys("http://127.0.0.1:1", SystemClock()).fetch(KEY_ID)
