"""A real browser for tests of pages: Chromium without a window, spoken to by its own protocol over loopback.

Belongs here: starting and ending it, keys, sizes, colour schemes, evaluating. Stays out: what pages should look like.
"""

import asyncio
import json
import shutil
import tempfile
import threading
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from starlette.types import ASGIApp

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 60
"""For any one thing: the browser hangs after it."""


def needs_chromium() -> str:
    """Its path; skips the test where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"there is no browser here: none of {', '.join(NAMES)} is on PATH")
    return path


class Tab:
    """One page. events: what the browser told that was no answer."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, count(1)
        self.events: list[dict[str, Any]] = []

    async def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            told = json.loads((await self._socket.receive(SECONDS)).data)
            if told.get("id") == number:
                assert "error" not in told, told
                return dict(told["result"])
            self.events.append(told)

    async def _wait_for(self, method: str) -> None:
        while not any(each["method"] == method for each in self.events):
            self.events.append(json.loads((await self._socket.receive(SECONDS)).data))

    async def open(self, url: str) -> None:
        self.events.clear()
        await self.tell("Page.navigate", url=url)
        await self._wait_for("Page.loadEventFired")

    async def value(self, expression: str) -> Any:
        return (await self.tell("Runtime.evaluate", expression=expression, returnByValue=True))["result"].get("value")

    async def see_as(self, width: int, height: int = 800, *, is_dark: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.tell("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.tell("Emulation.setEmulatedMedia", features=[scheme])

    async def press(self, key: str) -> None:
        """Tab, Space, or Enter, which opens another page and is over when that is there."""
        self.events.clear()
        codes = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " ")}
        code, text = codes[key]
        down = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        await self.tell("Input.dispatchKeyEvent", type="keyDown", text=text, **down)
        await self.tell("Input.dispatchKeyEvent", type="keyUp", **down)
        if key == "Enter":
            await self._wait_for("Page.loadEventFired")

    async def tab_to(self, condition: str) -> int:
        """Press Tab until `condition` holds for the focused element, called `it`; how often that took."""
        for times in range(1, 60):
            await self.press("Tab")
            if await self.value(f"(it => Boolean({condition}))(document.activeElement)"):
                return times
        raise AssertionError(f"Tab never reached an element with {condition}")

    async def type(self, text: str) -> None:
        await self.tell("Input.insertText", text=text)

    async def type_over(self, text: str) -> None:
        """In place of what stands in the field."""
        await self.tell("Input.dispatchKeyEvent", type="rawKeyDown", key="a", modifiers=2, commands=["selectAll"])
        await self.type(text)


@asynccontextmanager
async def a_tab() -> AsyncIterator[Tab]:
    """A page of a browser of its own, which ends with it."""
    path = needs_chromium()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
        options += [f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
        browser = await asyncio.create_subprocess_exec(path, *options, stdout=DEVNULL, stderr=DEVNULL)
        try:
            async with aiohttp.ClientSession() as session:
                port = await asyncio.to_thread(_port, Path(profile) / "DevToolsActivePort")
                address = await _page(session, port)
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    tab = Tab(socket)
                    await tab.tell("Page.enable")
                    await tab.tell("Runtime.enable")
                    yield tab
        finally:
            if browser.returncode is None:
                browser.kill()  # it keeps nothing
            await browser.wait()


def _port(file: Path) -> str:
    """That it listens on, which it writes when it does."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        told = file.read_text().split() if file.exists() else []
        if told:
            return told[0]
        time.sleep(0.05)
    raise AssertionError("the browser never listened")


async def _page(session: aiohttp.ClientSession, port: str) -> str:
    async with asyncio.timeout(SECONDS):
        while True:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [each for each in await answer.json(content_type=None) if each["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
            await asyncio.sleep(0.05)


class _Served(uvicorn.Server):
    """Tells when it listens; its process is ours, so it takes no signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        self.listens.set()


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Pages at an address for a browser, if there is one."""
    needs_chromium()
    server = _Served(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.listens.wait(30)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://localhost:{port}"
    finally:
        server.should_exit = True
        thread.join()
