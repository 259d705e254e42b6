"""An urgent title every few seconds while a backfill uses a quota up.

Belongs here: both rates of the night, alone and beside the partner. Stays out: idle sites, deep queues (`phases.py`).
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import uuid4

from benchmarks.partners.partner import Timed, ask, batch, different_items, p
from benchmarks.partners.phases import Numbers
from benchmarks.partners.site import Site, said
from manga_enrichment.domain.catalog.records import bucket_keys

QUOTA_PER_MINUTE = 600
MODEL_MS = 3_000
EVERY_SECONDS = 5.0
ASSETS = ("genre_classification", "content_summary", "reading_level")
_BEGINS_SECONDS, _SETTLES_SECONDS = 180.0, 15.0


def crowded(site: Site, titles: Sequence[str], seconds: float) -> Numbers:
    """First the backfill alone, then with an urgent title every five seconds, for so long each.

    The site was told QUOTA_PER_MINUTE. A loss is that of the night's rate beyond what the partner's own calls took.
    """
    site.control.reset()
    site.control.faults(quota={"requests_per_minute": QUOTA_PER_MINUTE}, latency={"fixed_ms": MODEL_MS})
    site.console.backfill(ASSETS, bucket_keys(1))
    _wait_until_it_asks(site)
    alone = _rate(site, seconds)
    items, waiting = different_items(titles, f"crowded {uuid4()}"), list[Future[Timed]]()
    before, began = _billed(site), time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        while time.monotonic() - began < seconds:
            waiting.append(pool.submit(ask, site, "batch", batch([next(items)], "high")))
            time.sleep(EVERY_SECONDS)
        beside = (_billed(site) - before - sum(each.done() for each in waiting)) / (time.monotonic() - began)
        answered = [each.result() for each in waiting]
    said({"site": site.name, "alone": alone, "beside": beside, "urgent": [each.seconds for each in answered]})
    partner_rate = len(waiting) / seconds
    return {
        "urgent_p50_s": p([each.seconds for each in answered], 50),
        "urgent_p95_s": p([each.seconds for each in answered], 95),
        "night_calls_per_s_alone": alone,
        "night_calls_per_s_beside": beside,
        "night_loses_percent": 100 * max(0.0, 1 - beside / max(1e-9, alone - partner_rate)),
    }


def _billed(site: Site) -> int:
    return int(site.control.counters()["billed"])


def _wait_until_it_asks(site: Site) -> None:
    deadline = time.monotonic() + _BEGINS_SECONDS
    while _billed(site) < QUOTA_PER_MINUTE / 60 * 3:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{site.name}: the backfill asks nothing")
        time.sleep(0.5)
    time.sleep(_SETTLES_SECONDS)


def _rate(site: Site, seconds: float) -> float:
    before, began = _billed(site), time.monotonic()
    time.sleep(seconds)
    return (_billed(site) - before) / (time.monotonic() - began)
