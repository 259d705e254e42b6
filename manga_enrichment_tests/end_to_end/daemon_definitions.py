"""The code location as a daemon of the tests loads it: the real one, but for a clock that a test can move on."""

import os
from pathlib import Path

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment_tests.end_to_end.file_clock import FileClock

CLOCK_FILE = "TEST_CLOCK_FILE"


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(resources={"clock": FileClock(Path(os.environ[CLOCK_FILE]))})
