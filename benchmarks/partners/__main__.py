"""Latency, drains and cost of the partner lane, beside an earlier commit.

    python -m benchmarks partners [--scale 0.1] [--before 0f0178a] [--only idle,second,drain,crowded,resident]

Needs git, and the commit in this clone. At full size more than two hours on two cores, the idle hour included.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.drain import CATALOG_TITLES, titles_with_text
from benchmarks.partners.crowded import QUOTA_PER_MINUTE, crowded
from benchmarks.partners.partner import different_items
from benchmarks.partners.phases import Drain, Numbers, idle, second_batch
from benchmarks.partners.site import Site
from benchmarks.partners.staying import resident
from benchmarks.report import Row, show
from benchmarks.support import REPOSITORY, checked_out
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, LOW_PRIORITY, RESIDENT_LANES, Queue

BEFORE = "0f0178a"
PHASES = ("idle", "second", "drain", "crowded", "resident")
UNLIMITED = {"MANGA_REQUESTS_PER_MINUTE": "60000000"}
TOLD = {"MANGA_REQUESTS_PER_MINUTE": str(QUOTA_PER_MINUTE)}
RESIDENT_QUEUES = tuple(queue.name for lane in RESIDENT_LANES.values() for queue in lane)
_MOST_LOST = ("lost", "duplicate_calls", "dead_letters")


def main() -> None:
    """Print the table and the JSON line; exit code 1 when anything of this tree was lost or paid twice."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--before", default=BEFORE, help="commit to compare with; none: this tree alone")
    parser.add_argument("--only", default=",".join(PHASES), help="phases, comma-separated")
    given = parser.parse_args()
    phases = given.only.split(",")
    unknown = set(phases) - set(PHASES)
    if unknown:
        parser.error(f"there is no phase {', '.join(sorted(unknown))}: there are {', '.join(PHASES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by unwinding, so that the sites are stopped
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder) / "catalog.jsonl"
        titles = titles_with_text(catalog, CATALOG_TITLES)
        now = measured("this tree", REPOSITORY, Path(folder) / "now", catalog, titles, phases, given.scale)
        earlier: dict[str, Numbers] = {}
        if given.before != "none":
            with checked_out(given.before, Path(folder) / "tree") as tree:
                old = [phase for phase in phases if phase != "resident"]
                earlier = measured(given.before, tree, Path(folder) / "before", catalog, titles, old, given.scale)
    show("partners", list(compared(now, earlier)))
    if any(numbers.get(name) for numbers in now.values() for name in _MOST_LOST):
        sys.exit(1)


def measured(
    name: str, tree: Path, folder: Path, catalog: Path, titles: Sequence[str], phases: Sequence[str], scale: float
) -> dict[str, Numbers]:
    """By phase. Two sites after each other: one that waits for no quota, one that was told one."""
    found: dict[str, Numbers] = {}
    items = different_items(titles, "drain")
    with Site(name, tree, folder / "unlimited", catalog, UNLIMITED) as site:
        if "resident" in phases:  # first: a run that has worked is no idle one
            found["idle resident"] = resident(site, RESIDENT_QUEUES, 60 * scale)
        if "idle" in phases:
            found["idle"] = idle(site, titles, max(3, round(40 * scale)))
        if "second" in phases:
            found["second batch"] = second_batch(site, titles)
        for queue, requests, each in _drains(scale) if "drain" in phases else ():
            found[f"{queue.name}, {requests} x {each}"] = Drain(site, queue, requests, each, items).measured()
    if "crowded" in phases:
        with Site(name, tree, folder / "told", catalog, TOLD) as site:
            found["beside a backfill"] = crowded(site, titles, max(30.0, 120 * scale))
    return found


def compared(now: dict[str, Numbers], earlier: dict[str, Numbers]) -> Iterator[Row]:
    """A row a number. ratio: this tree's by the earlier one's."""
    for phase, numbers in now.items():
        for name, value in numbers.items():
            before = earlier.get(phase, {}).get(name)
            yield {
                "phase": phase,
                "what": name,
                "now": round(value, 3),
                "before": None if before is None else round(before, 3),
                "ratio": round(value / before, 3) if before else None,
            }


def _drains(scale: float) -> list[tuple[Queue, int, int]]:
    singles, hundreds = max(1, round(5_000 * scale)), max(1, round(500 * scale))
    return [(LOW_PRIORITY, singles, 1), (HIGH_PRIORITY, singles, 1), (LOW_PRIORITY, hundreds, 100)]


if __name__ == "__main__":
    main()
