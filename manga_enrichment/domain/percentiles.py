"""Percentiles by nearest rank: always a value that was seen, never one between two.

Belongs here: the one definition that reports, calibrations and latencies share. Stays out: which values are counted.
"""

from collections.abc import Mapping
from typing import TypeVar

_Number = TypeVar("_Number", int, float)


def nearest_rank(counts: Mapping[_Number, int], percent: int) -> _Number:
    """The smallest value that is not below `percent` % of them. counts: value -> how often.

    Raises ValueError when there are no values.
    """
    rank = max(1, -(-sum(counts.values()) * percent // 100))  # rounded up
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= rank:
            return value
    raise ValueError("no values have no percentile")


def nearest_rank_or_zero(counts: Mapping[int, int], percent: int) -> int:
    """As a report shows it: 0 when nothing was counted."""
    return nearest_rank(counts, percent) if counts else 0
