"""The check of what was read: may it be the catalog?

Belongs here: what Dagster is told. Stays out: judging (`pipeline/catalog/plausibility.py`).

The import itself says it, since it refuses before it stores: a check of its own would find the old catalog in order.
"""

import dagster as dg

from manga_enrichment.defs.shared.names import CATALOG
from manga_enrichment.pipeline.catalog.plausibility import ImplausibleCatalogError
from manga_enrichment.pipeline.catalog.refresh import CatalogState

PLAUSIBLE = dg.AssetCheckSpec(
    "catalog_is_plausible",
    asset=CATALOG,
    description="A source with too many rows that are no titles, or without too many titles of the catalog, is refused "
    "before anything is replaced (MANGA_CATALOG_MAX_REJECTED, MANGA_CATALOG_MAX_LOST).",
)


def refused_check(refused: ImplausibleCatalogError) -> dg.AssetCheckResult:
    counts = refused.counts
    return dg.AssetCheckResult(
        check_name=PLAUSIBLE.name,
        asset_key=CATALOG,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=str(refused),
        metadata={
            "rows_read": counts.rows_read,
            "titles": counts.titles,
            "titles_before": counts.titles_before,
            **{f"rejected_{reason}": count for reason, count in counts.rejected.items()},
        },
    )


def plausible_check(state: CatalogState) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=PLAUSIBLE.name,
        asset_key=CATALOG,
        passed=True,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"rows_read": state.rows_read, "titles": state.titles, "rejects": sum(state.rejected.values())},
    )
