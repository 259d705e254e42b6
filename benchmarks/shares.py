"""How senders share a quota, simulated in virtual time: told and untold, buckets and windows, wakes, kills, strangers.

    python -m benchmarks shares

The same cases that the tests hold to their limits (`manga_enrichment_tests/pipeline/engine/rate/share_cases.py`). No
stack, no network, no waiting: what it prints does not depend on the machine.
"""

import argparse

from benchmarks.report import show
from manga_enrichment_tests.pipeline.engine.rate.share_cases import all_cases


def main() -> None:
    """Print the table and the JSON line."""
    argparse.ArgumentParser(prog="python -m benchmarks shares").parse_args()
    show("shares", [case.measured() for case in all_cases()])


if __name__ == "__main__":
    main()
