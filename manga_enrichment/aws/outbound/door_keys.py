"""A public key of the door: one GET, small and soon, to where the settings say and to nowhere else.

Belongs here: the request and its bounds. Stays out: which keys are asked for and kept (`browse/edit/known_keys.py`).
"""

import urllib3
from urllib3.exceptions import HTTPError

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError

MAX_BYTES = 4096
CONNECT_SECONDS = 2.0
READ_SECONDS = 3.0
MOST_SECONDS = 5.0


class DoorKeys:
    def __init__(self, url: str, clock: Clock) -> None:
        """url: without a slash at its end."""
        self._url, self._clock = url, clock
        self._pool = urllib3.PoolManager(
            num_pools=1, maxsize=2, timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        )

    def fetch(self, key_id: str) -> str | None:
        """PEM; None where there is none of this id, which may stand in a URL. Raises StoreUnavailableError."""
        began = self._clock.monotonic_seconds()
        try:
            answer = self._pool.request(
                "GET", f"{self._url}/{key_id}", retries=False, redirect=False, preload_content=False
            )
            try:
                if answer.status in (403, 404):  # S3 says the former to whoever may not list
                    return None
                body = self._body(answer, began)
            finally:
                answer.close()
        except HTTPError as error:
            raise StoreUnavailableError(f"{self._url} does not answer: {type(error).__name__}") from error
        if answer.status != 200:
            raise StoreUnavailableError(f"{self._url} answers {answer.status}")
        return body.decode("ascii", errors="replace")

    def _body(self, answer: urllib3.BaseHTTPResponse, began: float) -> bytes:
        body = b""
        while part := answer.read1(1024):
            body += part
            if len(body) > MAX_BYTES:
                raise StoreUnavailableError(f"{self._url} says more than a key has")
            if self._clock.monotonic_seconds() - began > MOST_SECONDS:
                raise StoreUnavailableError(f"{self._url} takes longer than {MOST_SECONDS:g} s")
        return body
