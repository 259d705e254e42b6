"""Items of the table of senders, for tests."""

import math

from manga_enrichment.gateways.senders import Sender
from manga_enrichment_tests.fakes import START


def made_sender(
    name: str, *, lane: str = "", weight: float = 1.0, total: float = 1.0, demand: float = math.inf
) -> Sender:
    """In a lane of its own, unless told; steady and never refused."""
    return Sender(
        name=name,
        lane=lane or name,
        weight=weight,
        total=total,
        demand=demand,
        quiet_seconds=math.inf,
        is_guess=False,
        at=START,
    )
