"""What is measured on an idle site and with a deep queue.

Belongs here: one function a measure, each gives numbers by name. Stays out: a quota that is used up (`crowded.py`),
what waiting costs (`staying.py`), the site (`site.py`).
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from benchmarks.partners.partner import ask, batch, different_items, p
from benchmarks.partners.site import Site, said
from benchmarks.partners.work import Work
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, Queue
from manga_enrichment.domain.requests.states import is_final
from manga_enrichment.pipeline.partner.submit import submit

Numbers = dict[str, float]
MODEL_MS = 500
THREADS = 8
LONGEST_DRAIN_SECONDS = 3_600.0
_PAUSE_SECONDS = 1.0


def idle(site: Site, titles: Sequence[str], times: int) -> Numbers:
    """One after the other, with pauses: a question, an urgent title that must be asked, the same title again."""
    site.control.reset()
    site.control.faults(latency={"fixed_ms": MODEL_MS})
    items = different_items(titles, f"idle {uuid4()}")
    questions, urgent, known = [], [], []
    for number in range(times):
        questions.append(ask(site, "query", {"query": f"Which manga would you read first? ({uuid4()})"}))
        item = next(items)
        urgent.append(ask(site, "batch", batch([item], "high")))
        known.append(ask(site, "batch", batch([item], "high")))
        said({"site": site.name, "idle": number + 1, "seconds": [questions[-1].seconds, urgent[-1].seconds]})
        time.sleep(_PAUSE_SECONDS)
    if (statuses := {each.status for each in (*questions, *urgent, *known)}) != {"completed"}:
        raise RuntimeError(f"{site.name}: not everything was completed: {statuses}")
    return {
        "query_p50_s": p([each.seconds for each in questions], 50),
        "query_p95_s": p([each.seconds for each in questions], 95),
        "queries_answered_by_the_call": sum(each.by_the_call for each in questions) / times,
        "urgent_p50_s": p([each.seconds for each in urgent], 50),
        "urgent_p95_s": p([each.seconds for each in urgent], 95),
        "in_ledger_p50_s": p([each.after_accepted_seconds for each in known], 50),
        "in_ledger_p95_s": p([each.after_accepted_seconds for each in known], 95),
    }


def second_batch(site: Site, titles: Sequence[str]) -> Numbers:
    """Two urgent batches: the model throttles the first, the second needs no call at all."""
    site.control.reset()
    items = different_items(titles, f"second {uuid4()}")
    known = next(items)
    ask(site, "batch", batch([known], "high"))
    site.control.faults(throttle_probability=1.0)
    with ThreadPoolExecutor(1) as pool:
        throttled = pool.submit(ask, site, "batch", batch([next(items) for _ in range(20)], "high"))
        time.sleep(3 * _PAUSE_SECONDS)
        second = ask(site, "batch", batch([known], "high"))
        is_first_done = throttled.done()
        site.control.reset()
        first = throttled.result()
    if is_first_done:
        raise RuntimeError(f"{site.name}: the first batch did not wait for the model")
    return {"second_batch_s": second.seconds, "first_batch_s": first.seconds}


@dataclass
class Drain:
    """One queue filled and emptied. sent: request ids."""

    site: Site
    queue: Queue
    requests: int
    titles_each: int
    items: Iterator[dict[str, str]]
    sent: list[str] = field(default_factory=list)

    def measured(self) -> Numbers:
        self.site.control.reset()
        before, runs_before = self.site.calls(), self.site.console.runs()
        work, started = self.site.work(), time.perf_counter()
        self._send()
        seconds = self._wait_until_empty(started, work)
        calls, cpu = self.site.calls() - before, work.seconds()
        with ThreadPoolExecutor(THREADS) as pool:
            rows = list(pool.map(self.site.gateways.requests.get, self.sent))
        bill = self.site.control.counters()
        titles = self.requests * self.titles_each
        numbers: Numbers = {
            "seconds": round(seconds, 1),
            "requests_per_s": self.requests / seconds,
            "titles_per_s": titles / seconds,
            "runs": self.site.console.runs() - runs_before,
            "lost": sum(not _is_ended(row) for row in rows)
            + titles
            - sum(row.counts.get("succeeded", 0) for row in rows if row),
            "duplicate_calls": bill["duplicates"],
            "cores_used": sum(cpu.values()) / seconds,
            **{f"{kind}_cpu_ms_a_request": 1_000 * each / self.requests for kind, each in sorted(cpu.items())},
            "dead_letters": self.site.gateways.queues.depth(DEAD_LETTERS).visible,
            **{f"{service}_calls_a_request": n / self.requests for service, n in _by_service(calls).items()},
        }
        said({"site": self.site.name, "drain": self.queue.name, **numbers, "calls": dict(calls.most_common())})
        return numbers

    def _send(self) -> None:
        bodies = [batch([next(self.items) for _ in range(self.titles_each)], "") for _ in range(self.requests)]
        with ThreadPoolExecutor(THREADS) as pool:
            self.sent = list(pool.map(self._submit, bodies))

    def _submit(self, body: dict[str, Any]) -> str:
        request_id, gateways = str(uuid4()), self.site.gateways
        priority = {"manga-fm-high-priority": "high", "manga-fm-low-priority": "low"}[self.queue.name]
        body = {**body, "priority": priority}
        submit(
            gateways.queues,
            "batch_analysis",
            body,
            partner_id="acme",
            request_id=request_id,
            now=gateways.clock.now(),
        )
        return request_id

    def _wait_until_empty(self, started: float, work: Work) -> float:
        """Seconds since `started` until the last message was acked."""
        while (seconds := time.perf_counter() - started) < LONGEST_DRAIN_SECONDS:
            depth = self.site.gateways.queues.depth(self.queue.name)
            if not (depth.visible or depth.in_flight or depth.delayed):
                break
            work.look()
            time.sleep(0.5)
        work.look()
        return seconds


def _by_service(calls: Counter[str]) -> Counter[str]:
    services: Counter[str] = Counter()
    for kind, count in calls.items():
        services[kind.partition(".")[0]] += count
        services["all"] += count
    return services


def _is_ended(row: RequestRow | None) -> bool:
    return row is not None and is_final(row.state)
