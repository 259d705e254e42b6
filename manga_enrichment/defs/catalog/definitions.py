"""All that Dagster gets of the catalog.

Belongs here: assembly. Stays out: the assets (`defs/catalog/assets.py`, `defs/catalog/changes.py`) and their check
(`defs/catalog/checks.py`).
"""

import dagster as dg

from manga_enrichment.defs.catalog.assets import GROUP, build_manga_catalog, build_similar_candidates
from manga_enrichment.defs.catalog.changes import build_catalog_changes
from manga_enrichment.defs.catalog.checks import build_lists_check
from manga_enrichment.defs.shared.inputs import DefinitionInputs


def build_catalog(inputs: DefinitionInputs) -> dg.Definitions:
    return dg.Definitions(
        assets=[
            build_manga_catalog(inputs),
            build_similar_candidates(inputs),
            *build_catalog_changes(inputs, GROUP),
        ],
        asset_checks=[build_lists_check(inputs)],
    )
