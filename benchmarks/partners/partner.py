"""A partner with an API key and a clock.

Belongs here: one request over HTTP until it is answered, timed. Stays out: how many and when (`phases.py`).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.partners.site import Site
from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.domain.percentiles import nearest_rank
from manga_enrichment.domain.requests.states import is_final

POLL_SECONDS = 0.05
LONGEST_SECONDS = 900.0
_ANSWERED, _ACCEPTED, _TOO_MANY = 200, 202, 429
_MOST_REFUSED = 30


@dataclass(frozen=True, slots=True)
class Timed:
    """status: what it ended as. seconds: from the call's beginning; accepted_seconds: to the 202 or the answer."""

    status: str
    seconds: float
    accepted_seconds: float
    by_the_call: bool

    @property
    def after_accepted_seconds(self) -> float:
        return self.seconds - self.accepted_seconds


def batch(items: Sequence[Mapping[str, str]], priority: str) -> dict[str, Any]:
    return {"items": list(items), "priority": priority}


def ask(site: Site, endpoint: str, body: Mapping[str, Any]) -> Timed:
    """Until it is answered: by the call itself, else by what its status row says. Raises TimeoutError, RuntimeError.

    The row and not the API is asked, since a key may call only so often.
    """
    started, refused = time.perf_counter(), 0
    while (
        answer := site.api.call("POST", ENDPOINTS[endpoint].path, body)
    ).status == _TOO_MANY and refused < _MOST_REFUSED:
        refused += 1
        time.sleep(1.0)
        started = time.perf_counter()
    accepted = time.perf_counter() - started
    if answer.status not in (_ANSWERED, _ACCEPTED):
        raise RuntimeError(f"POST {endpoint} was answered with {answer.status}: {answer.document}")
    data = answer.document["data"]
    if answer.status == _ANSWERED:
        return Timed(str(data.get("status", "completed")), accepted, accepted, by_the_call=True)
    while (seconds := time.perf_counter() - started) < LONGEST_SECONDS:
        row = site.gateways.requests.get(data["request_id"])
        if row is not None and is_final(row.state):
            return Timed(row.state.value, seconds, accepted, by_the_call=False)
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"{data['request_id']} is not answered after {seconds:.0f} s")


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
