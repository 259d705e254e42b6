"""A client of the manga enrichment API in one file: copy it. Python 3.10 or newer, and nothing else.

It waits for answers, tries again what trying again may mend, and never has a thing done twice: each POST has an
Idempotency-Key, the same for all its tries. Give a key of your own where your program itself may start again.

    manga = Manga("https://...", "your API key")
    batch = {"items": [{"manga_id": "MNG-C4G0F4AW", "analysis_type": "reading_level"}]}
    price = manga.quote(batch)["at_most_usd"]
    request_id = manga.submit(batch, key="import-7-part-1")["request_id"]
    for item in manga.results(request_id)["items"]:
        print(item["manga_id"], item["status"], item["answer"])
"""

import http.client
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

Data = dict[str, Any]

ENDED = {"completed", "partially_completed", "cancelled", "failed", "rejected"}
AGAIN = {429, 500, 503}
TRIES = 8
PATIENCE_SECONDS = 300.0
"""For a longer pause than this nobody waits: over a day's limit, for example."""


class MangaError(Exception):
    """The API's answer to what it does not do. problems: all that is wrong, each with its `path` in the body."""

    def __init__(self, status: int, error: Data) -> None:
        self.status = status
        self.code = error.get("code", "")
        self.problems: list[Data] = error.get("problems", [])
        places = "".join(f"\n  {each['path']}: {each['message']}" for each in self.problems)
        details = f" ({error['details']})" if error.get("details") else ""
        super().__init__(f"{status} {self.code}: {error.get('message', '')}{details}{places}")


class Manga:
    """The API, with one key. Every method raises MangaError, and OSError when nobody answers after all its tries."""

    def __init__(self, api: str, key: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._api = api.rstrip("/")
        self._key = key
        self._sleep = sleep

    def quote(self, batch: Data, key: str = "") -> Data:
        """What a batch would come to. Nothing is asked, nothing is billed."""
        told: Data = self._answer("/v1/manga/quote", batch, key)["quote"]
        return told

    def submit(self, batch: Data, key: str = "") -> Data:
        """At once: `request_id`, `warnings`. key: sent again with the same one, it is the same request for a day."""
        return self._post("/v1/manga/batch", batch, key, prefer="respond-async")

    def ask(self, question: str, conversation_id: str | None = None, key: str = "") -> str:
        """The answer to a question, within a conversation if its id is given (a UUID of your own)."""
        body = {"query": question} | ({"conversation_id": conversation_id} if conversation_id else {})
        reply: str = self._answer("/v1/manga/query", body, key)["response"]
        return reply

    def status(self, request_id: str) -> Data:
        return self._call("GET", f"/v1/manga/status/{request_id}")

    def wait(self, request_id: str, at_most_seconds: float = float("inf")) -> Data:
        """The status, once the request has ended. Raises TimeoutError; the request goes on."""
        pause, waited = 1.0, 0.0
        while (status := self.status(request_id))["status"] not in ENDED:
            if waited >= at_most_seconds:
                raise TimeoutError(f"{request_id} is {status['status']} after {waited:.0f} s")
            self._sleep(pause)
            pause, waited = min(60.0, pause * 1.5), waited + pause
        return status

    def results(self, request_id: str) -> Data:
        """The result document, once the request has ended. MangaError of a rejected one says all that is wrong."""
        status = self.wait(request_id)
        if not status["results_path"]:
            message = f"it is {status['status']}"
            raise MangaError(0, {"code": status["status"], "message": message, "problems": status["problems"]})
        return self._call("GET", status["results_path"])

    def requests(self, page: int = 50) -> Iterator[Data]:
        """One's own requests, the newest first."""
        path: str | None = f"/v1/manga/requests?limit={page}"
        while path:
            data = self._call("GET", path)
            yield from data["requests"]
            path = data["next_path"]

    def cancel(self, request_id: str) -> Data:
        """Nothing more is asked for it. MangaError 409 when it has ended."""
        return self._call("DELETE", f"/v1/manga/requests/{request_id}")

    def usage(self, month: str = "") -> Data:
        """What a month, YYYY-MM, came to; this one unless told."""
        return self._call("GET", "/v1/manga/usage" + (f"?month={month}" if month else ""))

    def _answer(self, path: str, body: Data, key: str) -> Data:
        """Of a POST that is answered by whoever waits for it: the same POST again goes on waiting."""
        key = key or str(uuid.uuid4())
        while "usage" not in (data := self._post(path, body, key, prefer="wait=25")):
            self._sleep(1.0)  # a 202: it was not answered in time
        return data

    def _post(self, path: str, body: Data, key: str, prefer: str) -> Data:
        headers = {"Idempotency-Key": key or str(uuid.uuid4()), "Prefer": prefer}
        return self._call("POST", path, json.dumps(body).encode(), headers)

    def _call(self, method: str, path: str, body: bytes | None = None, more: dict[str, str] | None = None) -> Data:
        """`data` of the answer."""
        headers = {"x-api-key": self._key, "Content-Type": "application/json", **(more or {})}
        for attempt in range(TRIES):
            request = urllib.request.Request(self._api + path, body, headers, method=method)
            pause = float(2**attempt)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    data: Data = json.load(answer)["data"]
                    return data
            except urllib.error.HTTPError as refused:
                pause = float(refused.headers.get("Retry-After") or pause)
                if refused.code not in AGAIN or pause > PATIENCE_SECONDS or attempt == TRIES - 1:
                    raise MangaError(refused.code, _error(refused)) from None
            except (OSError, http.client.HTTPException, ValueError):  # nobody there, or an answer that broke off
                if attempt == TRIES - 1:
                    raise
            self._sleep(pause)
        raise AssertionError("the last try returns or raises")


def _error(refused: urllib.error.HTTPError) -> Data:
    with refused:
        try:
            error: Data = json.load(refused)["error"]
        except (OSError, ValueError, KeyError, TypeError):
            return {"message": refused.reason}
    return error
