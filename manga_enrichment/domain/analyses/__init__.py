"""The registry of analysis types.

Adding one is a module that defines ANALYSIS and one line here; everything else (assets, tables, prompts,
documentation) is built from the registry. What only partners ask for stands in ON_REQUEST: it has no assets and no
tables, and nothing that runs over the catalog knows of it.
"""

from manga_enrichment.domain.analyses import (
    content_moderation,
    content_summary,
    full_enrichment,
    genre_classification,
    reading_level,
    similar_series,
)
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.errors import ConfigurationError

_REGISTERED = (
    genre_classification.ANALYSIS,
    content_summary.ANALYSIS,
    similar_series.ANALYSIS,
    reading_level.ANALYSIS,
    full_enrichment.ANALYSIS,
)

ANALYSES: dict[str, AnalysisType] = {analysis.name: analysis for analysis in _REGISTERED}
ON_REQUEST: dict[str, AnalysisType] = {content_moderation.ANALYSIS.name: content_moderation.ANALYSIS}
FOR_PARTNERS: dict[str, AnalysisType] = {**ANALYSES, **ON_REQUEST}
"""All that a batch may ask for."""


class UnknownAnalysisError(ConfigurationError):
    """An analysis name that is not in the registry."""


def get_analysis(name: str) -> AnalysisType:
    """The analysis type with this name. Raises UnknownAnalysisError, which names the known ones."""
    if name in ANALYSES:
        return ANALYSES[name]
    raise UnknownAnalysisError(f"Unknown analysis type {name!r}: choose one of {', '.join(ANALYSES)}.")
