"""Real nights: daemon, job and local stack; every step's wall and CPU, calls, money, memory.

    python -m benchmarks night --titles 20000 --latency 500 --nights first,same,one_percent [--against 0f0178a]

Needs Linux; with --against git, and the commit in this clone. Its last line is JSON.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.night.stages import by_stage, model_alone_s, ratios, stage_rows, step_rows, steps_of
from benchmarks.night.watch import Watch
from benchmarks.partners.site import Site, said, whole_catalog
from benchmarks.report import Row, show
from benchmarks.support import REPOSITORY, checked_out
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.local.sample_catalog import write_catalog

NIGHTS = ("first", "same", "one_percent")
SLOTS = 64
CHANGED_EVERY = 100
_QUIET_SECONDS = 6.0

Stages = dict[str, dict[str, float]]


def main() -> None:
    """Print tables and the JSON line; exit code 1 when a night of this build paid for anything twice."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by unwinding, so that the sites are stopped
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        now, facts = measured("this build", REPOSITORY, folder / "now", given)
        if given.against:
            with checked_out(given.against, folder / "tree") as tree:
                then, others = measured(given.against, tree, folder / "then", given)
            facts += others
    show("night", facts)
    against = {"ratios": ratios(now, then)} if given.against else {"stages": now}
    print(json.dumps(against))
    if any(row["duplicates"] for row in facts if row["build"] == "this build"):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks night", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--titles", type=int, default=20_000)
    parser.add_argument("--latency", type=int, default=500, help="of the model, ms")
    parser.add_argument("--nights", default=",".join(NIGHTS), help=f"in turn, of {', '.join(NIGHTS)}")
    parser.add_argument("--buckets", type=int, default=8)
    parser.add_argument("--quota", type=int, default=0, help="requests a minute that runs are told; 0: none")
    parser.add_argument("--against", default="", help="commit that runs the same afterwards")
    given = parser.parse_args()
    given.nights = given.nights.split(",")
    if unknown := set(given.nights) - set(NIGHTS):
        parser.error(f"there is no night {', '.join(sorted(unknown))}: there are {', '.join(NIGHTS)}")
    if given.nights[0] != "first":
        parser.error("a catalog's nights begin with the first")
    return given


def measured(name: str, tree: Path, folder: Path, given: argparse.Namespace) -> tuple[Stages, list[Row]]:
    """(seconds by night and stage, a row a night)"""
    folder.mkdir()
    catalog = folder / "catalog.jsonl"
    write_catalog(catalog, given.titles, seed=1)  # gives the path of the truth beside it
    settings = {
        "MANGA_CATALOG_BUCKETS": str(given.buckets),
        "MANGA_CONCURRENCY": str(SLOTS),
        "MANGA_RESIDENTS": "false",
        **({"MANGA_REQUESTS_PER_MINUTE": str(given.quota)} if given.quota else {}),
    }
    stages: Stages = {}
    facts: list[Row] = []
    with Site(name, tree, folder / "site", catalog, settings, imports=False) as site:
        for night in given.nights:
            if night == "one_percent":
                change(catalog)
            stages[night], row = _night(site, night, given)
            facts.append(row)
            said(row)
            _wait_until_quiet(site)
    show(name, stage_rows(name, given.nights, stages))
    return stages, facts


def _night(site: Site, night: str, given: argparse.Namespace) -> tuple[dict[str, float], Row]:
    site.control.reset()
    site.control.faults(latency={"fixed_ms": given.latency})
    before, watch = site.calls(), Watch(site)
    run_id = site.console.run(NIGHTLY_JOB, whole_catalog(bucket_keys(given.buckets)), watch.look)
    watch.look()
    run, bill, sent = site.console.timed(run_id), site.control.counters(), site.calls() - before
    steps = steps_of(run, watch.looks, watch.held)
    show(f"{site.name}, {night}", step_rows(site.name, night, steps))
    wall_s = float(run["endTime"]) - float(run["creationTime"])
    alone_s = model_alone_s(bill["billed"], given.latency, SLOTS)
    return by_stage(steps, wall_s), {
        "build": site.name,
        "night": night,
        "wall_s": round(wall_s, 1),
        "calls": bill["requests"],
        "usd": round(bill["cost_micro_usd"] / 1e6, 4),
        "duplicates": bill["duplicates"],
        "model_alone_s": round(alone_s, 1),
        "model_share": round(alone_s / wall_s, 3),
        "peak_mb": round(max(size for _, size in watch.held) / 1e6),
        **_requests(sent),
    }


def _requests(sent: Mapping[str, int]) -> dict[str, int]:
    """Of all processes, those that a night is known by."""
    kinds = {"ledger_reads": "dynamodb.BatchGetItem", "s3_gets": "s3.GET", "s3_puts": "s3.PUT"}
    return {name: sent.get(kind, 0) for name, kind in kinds.items()}


def change(catalog: Path) -> None:
    """Every hundredth line gets another synopsis, or another title where it has none."""
    lines = catalog.read_text("utf-8").splitlines()
    for place in range(CHANGED_EVERY // 2, len(lines), CHANGED_EVERY):
        row = json.loads(lines[place])
        field = "synopsis" if row.get("synopsis") else "title"
        row[field] = f"{row.get(field) or 'Untitled'} A new edition."
        lines[place] = json.dumps(row, ensure_ascii=False)
    catalog.write_text("\n".join(lines) + "\n", "utf-8")


def _wait_until_quiet(site: Site) -> None:
    """Until what a night's end launches (costs, checks) is over."""
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < _QUIET_SECONDS:
        if site.runs():
            quiet_since = time.monotonic()
        time.sleep(0.5)


if __name__ == "__main__":
    main()
