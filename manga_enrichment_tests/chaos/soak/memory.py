"""Arithmetic of memory: how fast a server grows, whether the peak of runs rises, and what may be.

Belongs here: figures made of samples, the two rules. Stays out: taking samples (`sampling.py`).

The slope is that of the least-squares line through all samples of a server after the warm-up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from manga_enrichment_tests.chaos.judge import Rule

WARM_UP_SECONDS = 600.0
MOST_MB_PER_HOUR = 5.0
PEAK_NOISE_MB = 5.0
"""A peak that is so little higher is the same: runs of one job differ by as much within a minute."""
MB = 1_000_000
_LEAST_SECONDS = 600.0
"""A line through less than ten minutes says nothing about an hour."""
_LEAST_SAMPLES = 20
_HOUR_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """at_seconds: since the soak began. pid: another one means that the server was started anew."""

    at_seconds: float
    pid: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class RunPeak:
    """The most memory a run's process ever had. at_seconds: when it was first seen, since the soak began."""

    job: str
    at_seconds: float
    peak_bytes: int


def slope_mb_per_hour(samples: Sequence[Sample]) -> float:
    """Of the least-squares line. Raises ValueError for samples of one moment, which have none."""
    if not samples:
        raise ValueError("no samples")
    middle = sum(each.at_seconds for each in samples) / len(samples)
    mean = sum(each.rss_bytes for each in samples) / len(samples)
    spread = sum((each.at_seconds - middle) ** 2 for each in samples)
    if not spread:
        raise ValueError("all samples are of one moment")
    shared = sum((each.at_seconds - middle) * (each.rss_bytes - mean) for each in samples)
    return shared / spread * _HOUR_SECONDS / MB


def flat(server: str, samples: Sequence[Sample], warm_up_seconds: float = WARM_UP_SECONDS) -> Rule:
    """The rule about one server's memory. One that was too short to judge holds, and says so."""
    name = f"memory of {server}"
    if not samples:
        return Rule(name, holds=False, said="it was never seen")
    if len(pids := {each.pid for each in samples}) > 1:
        return Rule(name, holds=False, said=f"it was started anew: it had {len(pids)} processes")
    late = [each for each in samples if each.at_seconds >= warm_up_seconds]
    if len(late) < _LEAST_SAMPLES or late[-1].at_seconds - late[0].at_seconds < _LEAST_SECONDS:
        return Rule(name, holds=True, said=f"not judged: it takes {_LEAST_SECONDS:.0f} s after the warm-up")
    slope = slope_mb_per_hour(late)
    first, last = late[0].rss_bytes / MB, late[-1].rss_bytes / MB
    said = f"{slope:+.1f} MB an hour ({first:.0f} MB, later {last:.0f} MB), at most {MOST_MB_PER_HOUR:+.0f}"
    return Rule(name, holds=slope <= MOST_MB_PER_HOUR, said=said)


def thirds(peaks: Iterable[RunPeak], seconds: float) -> Mapping[str, tuple[list[float], list[float]]]:
    """job -> peaks in MB of its runs of the first and of the last third of so many seconds."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for peak in sorted(peaks, key=lambda each: each.at_seconds):
        first, last = found.setdefault(peak.job, ([], []))
        if peak.at_seconds < seconds / 3:
            first.append(peak.peak_bytes / MB)
        elif peak.at_seconds >= seconds * 2 / 3:
            last.append(peak.peak_bytes / MB)
    return found


def no_higher(peaks: Iterable[RunPeak], seconds: float) -> list[Rule]:
    """A rule per job that ran in the first and in the last third: its highest peak is no higher at the end."""
    rules = []
    for job, (first, last) in sorted(thirds(peaks, seconds).items()):
        if first and last:
            said = f"{max(first):.0f} MB in {len(first)} runs, at the end {max(last):.0f} MB in {len(last)}"
            rules.append(Rule(f"peak of {job}", holds=max(last) <= max(first) + PEAK_NOISE_MB, said=said))
    return rules or [Rule("peak of runs", holds=False, said="no job ran in the first and in the last third")]
