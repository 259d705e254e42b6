"""A partner with an API key and a clock.

Belongs here: one request over HTTP until it is answered, timed. Stays out: how many and when (`phases.py`).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.domain.percentiles import nearest_rank
from manga_enrichment.local.api_client import ApiClient

POLL_SECONDS = 0.05
LONGEST_SECONDS = 900.0
_ENDED = {"completed", "partially_completed", "failed", "rejected"}


@dataclass(frozen=True, slots=True)
class Timed:
    """status: what it ended as. seconds: from the call's beginning; accepted_seconds: to the 202 or the answer.

    calls: HTTP calls that the partner made.
    """

    status: str
    seconds: float
    accepted_seconds: float
    calls: int

    @property
    def after_accepted_seconds(self) -> float:
        return self.seconds - self.accepted_seconds


def batch(items: Sequence[Mapping[str, str]], priority: str) -> dict[str, Any]:
    return {"items": list(items), "priority": priority}


def ask(api: ApiClient, endpoint: str, body: Mapping[str, Any]) -> Timed:
    """Until it is answered, by the call itself or by asking for its status. Raises TimeoutError."""
    started = time.perf_counter()
    answer = api.call("POST", ENDPOINTS[endpoint].path, body)
    accepted = time.perf_counter() - started
    if answer.status not in (200, 202):
        raise RuntimeError(f"POST {endpoint} was answered with {answer.status}: {answer.document}")
    data, calls = answer.document["data"], 1
    if answer.status == 200 and data.get("status", "completed") in _ENDED:
        return Timed(str(data.get("status", "completed")), accepted, accepted, calls)
    while True:
        found = api.call("GET", data["status_path"])
        calls += 1
        seconds = time.perf_counter() - started
        if found.status == 200 and (status := found.document["data"]["status"]) in _ENDED:
            return Timed(str(status), seconds, accepted, calls)
        if seconds > LONGEST_SECONDS:
            raise TimeoutError(f"{data['request_id']} is not answered after {seconds:.0f} s: {found.document}")
        time.sleep(POLL_SECONDS)


def p(seconds: Sequence[float], percent: int) -> float:
    """nearest rank, in seconds"""
    counts: dict[int, int] = {}
    for each in seconds:
        counts[round(each * 1000)] = counts.get(round(each * 1000), 0) + 1
    return nearest_rank(counts, percent) / 1000


def different_items(titles: Sequence[str], topic: str) -> Iterator[dict[str, str]]:
    """Items that nobody has asked for: each title once for every shelf of a library."""
    shelf = 0
    while True:
        shelf += 1
        for title in titles:
            yield {
                "manga_id": title,
                "analysis_type": "reading_level",
                "additional_context": f"{topic}: for shelf {shelf} of the library.",
            }
