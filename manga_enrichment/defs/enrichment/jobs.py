"""Jobs: the nightly enrichment, and the catalog import alone."""

from typing import Any

import dagster as dg

NIGHTLY_JOB = "nightly_enrichment"
CATALOG_JOB = "refresh_catalog"


def build_jobs() -> list[Any]:
    """Unresolved asset jobs; Dagster does not export their type."""
    return [
        dg.define_asset_job(
            NIGHTLY_JOB,
            selection=dg.AssetSelection.assets("enriched_catalog").upstream(),
            description="Import the catalog, ask for what is new, changed, outdated or failed in passing, publish.",
            tags={"lane": "nightly"},
        ),
        dg.define_asset_job(
            CATALOG_JOB,
            selection=dg.AssetSelection.assets("manga_catalog", "similar_candidates"),
            description="Import the catalog and refresh the candidate lists; asks no model.",
        ),
    ]
