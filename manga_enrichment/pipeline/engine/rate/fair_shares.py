"""Weighted max-min shares: nobody gets more than it can use, and what is left goes to the others by weight.

Belongs here: arithmetic that every sender repeats with the same items, so that all come to the same shares. Stays out:
who is there (`fair_share.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from manga_enrichment.gateways.senders import Sender


def fair_shares(senders: Iterable[Sender], capacity: float) -> dict[str, float]:
    """Each sender's part of the capacity, by name; their sum is the capacity. A lane's runs divide its part."""
    lanes: dict[str, dict[str, Sender]] = defaultdict(dict)
    for sender in senders:
        lanes[sender.lane][sender.name] = sender
    wants = {
        lane: (max(each.weight for each in runs.values()), sum(each.demand for each in runs.values()))
        for lane, runs in lanes.items()
    }
    parts = max_min(wants, capacity)
    shares: dict[str, float] = {}
    for lane, runs in lanes.items():
        shares |= max_min({name: (1.0, each.demand) for name, each in runs.items()}, parts[lane])
    return shares


def max_min(wants: Mapping[str, tuple[float, float]], capacity: float) -> dict[str, float]:
    """wants: weight and demand by name. When all have what they want, the rest is given by weight, too."""
    given: dict[str, float] = {}
    hungry = dict(wants)
    while hungry:
        unit = (capacity - sum(given.values())) / sum(weight for weight, _ in hungry.values())
        content = [name for name, (weight, demand) in hungry.items() if demand <= weight * unit]
        if not content:
            return given | {name: weight * unit for name, (weight, _) in hungry.items()}
        for name in content:
            given[name] = hungry.pop(name)[1]
    unit = (capacity - sum(given.values())) / sum(weight for weight, _ in wants.values())
    return {name: amount + wants[name][0] * unit for name, amount in given.items()}
