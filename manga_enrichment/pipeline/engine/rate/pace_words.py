"""Why calls leave no faster just now, in words: said with the progress of a run.

Belongs here: what holds calls, the strongest reason first. Stays out: counting (`pipeline/engine/tally.py`), deciding
(`rate_limiter.py`, `circuit_breaker.py`).
"""

from collections.abc import Iterable

from manga_enrichment.domain.durations import duration_text
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter


def held_by(limiters: Iterable[RateLimiter], *, refused_lately: int, now: float, latency_ms: int, places: int) -> str:
    """refused_lately: calls that a quota refused since it was asked last. now: monotonic seconds. latency_ms: of an
    answer, half of the time at most; 0 while nobody knows. places: calls that may be open at once.
    """
    busiest = max(limiters, key=lambda each: (each.rate.is_paused, each.waiting), default=None)
    refused = f"; the quota refused {refused_lately} lately" if refused_lately else ""
    if busiest is not None and busiest.rate.is_paused:
        wait = max(0.0, busiest.rate.retry_at - now)
        return f"the service, which refuses everything: the next call leaves in {duration_text(wait)}{refused}"
    if busiest is not None and busiest.waiting:
        pace = busiest.calls_per_second
        at = f" at {pace:.1f} calls a second" if pace else ""
        share = f", {busiest.rate.share:.0%} of what all runs share" if busiest.rate.share < 1 else ""
        return f"the quota: {busiest.waiting} calls wait for their turn{at}{share}{refused}"
    if not latency_ms:
        return f"the model, which has not answered yet{refused}"
    return f"the model: an answer takes {latency_ms / 1000:.1f} s, at most {places} are open at once{refused}"
