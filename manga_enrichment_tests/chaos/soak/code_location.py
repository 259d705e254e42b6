"""The code location as the soak's servers load it: the real one, but for a clock that is set again and again."""

import os
from pathlib import Path

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.runtime.garbage import loading
from manga_enrichment.runtime.migration_scripts import look_up_once
from manga_enrichment_tests.chaos.soak.stepped_clock import CLOCK_FILE, SteppedClock


@dg.definitions
def defs() -> dg.Definitions:
    with loading():
        built = build_definitions(resources={"clock": SteppedClock(Path(os.environ[CLOCK_FILE]))})
        look_up_once()
    return built
