"""A server that answers with whatever bytes a test wants, for endings that no well-behaved server has."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson

VALID_REPLY = orjson.dumps(
    {
        "output": {"message": {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "input": {"a": 1}}}]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 10, "outputTokens": 2, "totalTokens": 12},
    }
)

Respond = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(
    respond: Respond, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    """A server that reads one request per connection, keeps it (target, headers, body) and does as told."""
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        seen.append((head[0].split(" ")[1], headers, body))
        try:
            await respond(writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(serve(reader, writer)))

    serving: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=tls)
    try:
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def answering(payload: bytes, *, status: str = "200 OK", headers: str = "", length: int | None = None) -> Respond:
    async def respond(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(payload) if length is None else length}\r\n{headers}\r\n"
        writer.write(head.encode() + payload)
        await writer.drain()

    return respond
