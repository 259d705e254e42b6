"""A watchdog of the event loop: it says when something kept the loop from running.

While the loop stands still no claim and no lease is renewed, and another run may pay for the same answers.
"""

import logging

from manga_enrichment.gateways.clock import Clock

LOOK_SECONDS = 1.0
BLOCKED_SECONDS = 5.0

_log = logging.getLogger(__name__)


async def watch_loop(clock: Clock) -> None:
    """Look until cancelled."""
    while True:
        before = clock.monotonic_seconds()
        await clock.sleep(LOOK_SECONDS)
        late_seconds = clock.monotonic_seconds() - before - LOOK_SECONDS
        if late_seconds >= BLOCKED_SECONDS:
            _log.warning("the event loop stood still for %.1f s: claims and leases were not renewed", late_seconds)
