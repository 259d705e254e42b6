"""The whole matrix: `python -m manga_enrichment_tests.chaos`; prints a markdown table.

    python -m manga_enrichment_tests.chaos [--diagonal] [--only "night: s3" "drain: sqs refused"] [--seconds 60]

Belongs here: the command line and the table. Stays out: the cells (`cells.py`). Exit status 1 when a rule was broken.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment_tests.chaos.cells import Cell, diagonal, matrix
from manga_enrichment_tests.chaos.judge import Facts, judge
from manga_enrichment_tests.chaos.proxies import FaultProxies
from manga_enrichment_tests.chaos.running import run_cell
from manga_enrichment_tests.chaos.stage import Stage

HEADINGS = ("cell", "hit", "meter", "log", "maybe billed", "paid twice", "lost", "ended after", "broken")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells one after the other."""
    parser = argparse.ArgumentParser(prog="python -m manga_enrichment_tests.chaos", description="Faults x moments.")
    parser.add_argument("--diagonal", action="store_true", help="only the quick diagonal")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="TEXT", help="cells whose name contains one of these"
    )
    parser.add_argument("--seconds", type=float, help="strike for so long instead of as long as the cell says")
    options = parser.parse_args(arguments)
    known = [_for_seconds(cell, options.seconds) for cell in (diagonal() if options.diagonal else matrix())]
    cells = [cell for cell in known if any(text in str(cell) for text in options.only)]
    if not cells:
        parser.error(f"no cell's name contains any of {options.only}; there are:\n" + "\n".join(map(str, known)))
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalStack(LocalStackConfig(Path(folder) / "stack", persist=False)) as stack,
        FaultProxies(stack.endpoints) as proxies,
    ):
        return show(cells, Stage(stack, proxies, Path(folder)))


def _for_seconds(cell: Cell, seconds: float | None) -> Cell:
    return cell if seconds is None else replace(cell, stroke=replace(cell.stroke, seconds=seconds))


def show(cells: Sequence[Cell], stage: Stage) -> int:
    """Print a line per cell as it ends, then the sentences of those that broke a rule."""
    _print(HEADINGS)
    _print("---" for _ in HEADINGS)
    complaints: list[str] = []
    began = time.monotonic()
    for cell in cells:
        facts = run_cell(stage, cell)
        broken = [rule for rule in judge(facts) if not rule.holds]
        _print(_columns(cell, facts, [rule.name for rule in broken]))
        complaints += [f"- {cell}: **{rule.name}**: {rule.said}" for rule in broken]
    sys.stdout.write("\n" + ("\n".join(complaints) or "Every rule held.") + "\n")
    sys.stdout.write(f"\n{len(cells)} cells in {time.monotonic() - began:.0f} s.\n")
    return 1 if complaints else 0


def _columns(cell: Cell, facts: Facts, broken: Sequence[str]) -> list[str]:
    books = facts.account
    return [
        str(cell),
        str(facts.struck),
        str(books.meter.micro_usd),
        str(books.log.micro_usd),
        str(books.maybe.micro_usd),
        str(books.paid_twice),
        str(len(facts.lost)),
        f"{facts.ending.seconds:.0f} s",
        ", ".join(broken) or "none",
    ]


def _print(columns: Iterable[str]) -> None:
    sys.stdout.write("| " + " | ".join(columns) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
