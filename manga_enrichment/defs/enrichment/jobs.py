"""Jobs: the nightly enrichment, and the catalog import alone.

Belongs here: selections and tags. Stays out: when they run (`defs/enrichment/schedule.py`).
"""

from typing import Any

import dagster as dg

from manga_enrichment.defs.shared.names import CANDIDATES, CATALOG
from manga_enrichment.defs.shared.tags import NIGHTLY_LANE
from manga_enrichment.pipeline.enrichment.wide_table import TABLE

NIGHTLY_JOB = "nightly_enrichment"
CATALOG_JOB = "refresh_catalog"


def build_jobs() -> list[Any]:
    """Unresolved asset jobs; Dagster does not export their type."""
    return [
        dg.define_asset_job(
            NIGHTLY_JOB,
            selection=dg.AssetSelection.assets(TABLE).upstream(),
            description="Import the catalog, ask for what is new, changed, outdated or failed in passing, publish.",
            tags=NIGHTLY_LANE,
        ),
        dg.define_asset_job(
            CATALOG_JOB,
            selection=dg.AssetSelection.assets(CATALOG, CANDIDATES),
            description="Import the catalog and refresh the candidate lists; asks no model.",
        ),
    ]
