"""Generator of fictional catalogs: any number of titles, the same for the same seed, with the truth beside them.

The titles are invented; what makes real catalogs hard is not: missing synopses, attribution tails, entities, control
characters, wrong check digits, repeated titles, author names with commas.
"""

from manga_enrichment.local.sample_catalog.generator import GeneratedTitle, generate
from manga_enrichment.local.sample_catalog.writing import write_catalog

__all__ = ["GeneratedTitle", "generate", "write_catalog"]
