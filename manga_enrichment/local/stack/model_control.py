"""Talks to the offline model server's control interface: make it fail on purpose, read its counters.

Belongs here: the HTTP client of `/_control/*`, for tests, benchmarks and the command line. Stays out: what
the switches mean (`model_server/`).
"""

import json
import urllib.error
import urllib.request
from typing import Any

CONTROL_TIMEOUT_SECONDS = 5.0
# A configured proxy cannot reach our loopback.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ModelControlError(RuntimeError):
    """The model server does not answer or refuses a setting; says which and why."""


class ModelServerControl:
    """The control interface of the offline model server at base_url, for example http://127.0.0.1:4600."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")

    def faults(self, **switches: Any) -> dict[str, Any]:
        """Replace all fault switches by these; without any, all are off. Returns every switch.

        For example faults(throttle_probability=0.2, latency={"fixed_ms": 50}). Raises ModelControlError for a
        switch or value the server does not know.
        """
        return self._ask("PUT", "/_control/faults", switches)

    def current_faults(self) -> dict[str, Any]:
        """Every fault switch and its value."""
        return self._ask("GET", "/_control/faults")

    def counters(self) -> dict[str, Any]:
        """What the server counted since the last reset: requests, billed, throttled and so on."""
        return self._ask("GET", "/_control/counters")

    def reset(self) -> None:
        """Set the counters to zero and switch all faults off."""
        self._ask("POST", "/_control/reset?faults=1")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self.base_url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with _direct.open(request, timeout=CONTROL_TIMEOUT_SECONDS) as response:
                answer: dict[str, Any] = json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                reason = error.read().decode("utf-8", errors="replace")
            raise ModelControlError(f"{method} {self.base_url}{path}: {error.code} {reason}") from error
        except OSError as error:
            raise ModelControlError(f"The model server at {self.base_url} does not answer: {error}") from error
        return answer
