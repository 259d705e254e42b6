"""A night: the catalog is imported once, then groups of buckets are enriched, then what failed gets a second pass.

Belongs here: which night it is, and what is to be launched now. Stays out: what launches it
(`defs/enrichment/night_sensor.py`), and what a run's end was (`defs/shared/run_facts.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

TIME_ZONE = "Asia/Tokyo"
BEGINS_AT_HOUR = 2
IMPORT = "catalog"
"""The part of a night that comes before all groups of buckets; these are called by their first bucket."""
SECOND_PASS_AFTER = timedelta(minutes=10)
"""From the last failure on. What was away is back by then, or is away for longer; Dagster's own retries are over."""


class Ending(StrEnum):
    """How a run of a night ended. FINAL: nothing passes by itself until somebody mends it; a cancelled run, too."""

    NONE_YET = "none_yet"
    SUCCESS = "success"
    FAILURE = "failure"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class NightRun:
    """part: IMPORT or a group's first bucket. ended_at: None before it has ended."""

    part: str
    is_second: bool
    ending: Ending
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """What to launch: a part of the night, for the first or the second time."""

    part: str
    is_second: bool = False


def night_of(now: datetime) -> str:
    """ISO date of the latest 02:00 in Tokyo."""
    return (now.astimezone(ZoneInfo(TIME_ZONE)) - timedelta(hours=BEGINS_AT_HOUR)).date().isoformat()


def first_parts(groups: Sequence[str]) -> list[str]:
    """What a night begins with: the import, where there is more than one group to wait for it."""
    return [IMPORT] if len(groups) > 1 else list(groups)


def due(groups: Sequence[str], runs: Sequence[NightRun], now: datetime) -> Iterator[Launch]:
    """What a night lacks that has begun: nothing before its import has succeeded, everything once, failures again.

    groups: the first bucket of each, in order. runs: all runs of this night, in any order.
    """
    parts = first_parts(groups)
    if _succeeded(runs) >= set(parts):
        begun = {run.part for run in runs}
        missing = [group for group in groups if group not in begun]
        yield from map(Launch, missing)
        if missing:
            return
        parts = list(groups)
    yield from (Launch(part, is_second=True) for part in parts if _deserves_another(part, runs, now))


def _succeeded(runs: Sequence[NightRun]) -> set[str]:
    return {run.part for run in runs if run.ending is Ending.SUCCESS}


def _deserves_another(part: str, runs: Sequence[NightRun], now: datetime) -> bool:
    """Whether the first pass is over for long enough, and failed here in a way that may pass."""
    if any(run.ended_at is None or now - run.ended_at < SECOND_PASS_AFTER for run in runs if not run.is_second):
        return False
    own = [run for run in runs if run.part == part]
    return bool(own) and all(run.ending is Ending.FAILURE and not run.is_second for run in own)
