"""What may be asked of a title: analyses, each a document (`packaged/reading_level.toml` for example).

Belongs here: documents, what they may say, what is made of them, whether an answer counts. Stays out: prompts and
fingerprints (`domain/prompts/`), which folder of a user's own documents there is (`settings/`).
"""

from manga_enrichment.domain.analyses.registry import AnalysisSet, UnknownAnalysisError, packaged_analyses

__all__ = ["AnalysisSet", "UnknownAnalysisError", "packaged_analyses"]
