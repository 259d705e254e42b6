"""All that Dagster gets of the catalog.

Belongs here: assembly. Stays out: the assets (`defs/catalog/assets.py`).
"""

import dagster as dg

from manga_enrichment.defs.catalog.assets import build_manga_catalog, build_similar_candidates
from manga_enrichment.defs.shared.inputs import DefinitionInputs


def build_catalog(inputs: DefinitionInputs) -> dg.Definitions:
    return dg.Definitions(assets=[build_manga_catalog(inputs), build_similar_candidates(inputs)])
