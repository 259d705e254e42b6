"""The packaged analyses under short names."""

from manga_enrichment.domain.analyses import packaged_analyses

ANALYSES = packaged_analyses().of_titles
ON_REQUEST = packaged_analyses().on_request
FOR_PARTNERS = packaged_analyses().for_partners
get_analysis = packaged_analyses().get
