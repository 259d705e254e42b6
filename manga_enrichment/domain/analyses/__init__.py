"""What may be asked of a title: analyses, each a document (`packaged/reading_level.toml` for example).

Belongs here: documents, what they may say, what is made of them, whether an answer counts. Stays out: prompts and
fingerprints (`domain/prompts/`), which folder of a user's own documents there is (`settings/`).
"""

from manga_enrichment.domain.analyses.registry import AnalysisSet, UnknownAnalysisError, packaged

ANALYSES = packaged().of_titles
ON_REQUEST = packaged().on_request
FOR_PARTNERS = packaged().for_partners
get_analysis = packaged().get

__all__ = ["ANALYSES", "FOR_PARTNERS", "ON_REQUEST", "AnalysisSet", "UnknownAnalysisError", "get_analysis", "packaged"]
