"""The registry of analysis types.

Adding one is a module that defines ANALYSIS and one line here; everything else (assets, tables, prompts,
documentation) is built from the registry.
"""

from manga_enrichment.domain.analyses import (
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


class UnknownAnalysisError(ConfigurationError):
    """An analysis name that is not in the registry."""


def get_analysis(name: str) -> AnalysisType:
    """The analysis type with this name. Raises UnknownAnalysisError, which names the known ones."""
    if name in ANALYSES:
        return ANALYSES[name]
    raise UnknownAnalysisError(f"Unknown analysis type {name!r}: choose one of {', '.join(ANALYSES)}.")
