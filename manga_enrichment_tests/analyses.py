"""The packaged analyses under short names."""

from manga_enrichment.domain.analyses import packaged

ANALYSES = packaged().of_titles
ON_REQUEST = packaged().on_request
FOR_PARTNERS = packaged().for_partners
get_analysis = packaged().get
