"""The code location: what Dagster loads.

Belongs here: loading it once, cheaply. Stays out: what it consists of (`manga_enrichment/assembly.py`).
"""

import dagster as dg

from manga_enrichment.runtime.garbage import loading
from manga_enrichment.runtime.migration_scripts import look_up_once


@dg.definitions
def defs() -> dg.Definitions:
    """What a code server, and each of its runs, loads once and keeps."""
    with loading():
        # Within, since importing the rooms is most of what a run's process does before its first step.
        from manga_enrichment.assembly import build_definitions  # noqa: PLC0415

        built = build_definitions()
        look_up_once()
    return built
