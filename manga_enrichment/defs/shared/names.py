"""Names of assets that more than one room speaks of, their groups and owners. Published: they never change.

Belongs here: what a room would otherwise import from a room beside it. Stays out: names that one room alone uses.
"""

CATALOG = "manga_catalog"
CANDIDATES = "similar_candidates"
PARTNER_RESULTS = "partner_results"
HEALTH_GROUP = "health"
OWNERS = ["team:catalog-data"]
