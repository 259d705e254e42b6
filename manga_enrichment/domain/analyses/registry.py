"""Which analyses there are: the packaged documents.

Belongs here: the set as a value, which is handed on. Stays out: what a document may say (`documents.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from manga_enrichment.domain.analyses.base import AnalysisType, Rules
from manga_enrichment.domain.analyses.documents import SUFFIX, Document, read_document
from manga_enrichment.domain.analyses.making import NO_RULES, combined, single
from manga_enrichment.domain.analyses.packaged import (
    content_moderation,
    content_summary,
    genre_classification,
    reading_level,
    similar_series,
)
from manga_enrichment.domain.errors import ConfigurationError

_FOLDER = "manga_enrichment.domain.analyses.packaged"
_NAMES = (
    "genre_classification",
    "content_summary",
    "similar_series",
    "reading_level",
    "full_enrichment",
    "content_moderation",
)
_RULES: Mapping[str, Rules] = {
    "genre_classification": genre_classification.RULES,
    "content_summary": content_summary.RULES,
    "similar_series": similar_series.RULES,
    "reading_level": reading_level.RULES,
    "content_moderation": content_moderation.RULES,
}


class UnknownAnalysisError(ConfigurationError):
    """An analysis name that is not in the registry."""


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisSet:
    """Analyses by name. of_titles: asked for over the catalog; each has an asset, and a table or parts that have.

    on_request: asked for by batches alone; without assets and tables. Compared by identity.
    """

    of_titles: Mapping[str, AnalysisType]
    on_request: Mapping[str, AnalysisType]

    @property
    def for_partners(self) -> Mapping[str, AnalysisType]:
        """All that a batch may ask for."""
        return {**self.of_titles, **self.on_request}

    def get(self, name: str) -> AnalysisType:
        """One of of_titles. Raises UnknownAnalysisError, which names them."""
        if name in self.of_titles:
            return self.of_titles[name]
        raise UnknownAnalysisError(f"Unknown analysis type {name!r}: choose one of {', '.join(self.of_titles)}.")


@cache
def packaged() -> AnalysisSet:
    """Those that come with the package, in the order in which they are shown everywhere."""
    folder = files(_FOLDER)
    texts = {name: folder.joinpath(f"{name}{SUFFIX}").read_text("utf-8") for name in _NAMES}
    return assembled([read_document(text, f"{name}{SUFFIX}") for name, text in texts.items()], _RULES)


def remade(document: Document, known: Mapping[str, AnalysisType]) -> AnalysisType:
    """What an analysis would be by another document, with the rules that it has. known: by name, for parts."""
    if document.parts:
        return combined(document, [known[name] for name in document.parts])
    return single(document, _RULES.get(document.name, NO_RULES))


def assembled(documents: list[Document], rules: Mapping[str, Rules]) -> AnalysisSet:
    """Documents made into analyses, in their order. rules: of the modules beside them, by name."""
    singles = {each.name: single(each, rules.get(each.name, NO_RULES)) for each in documents if not each.parts}
    made = {
        each.name: combined(each, [singles[name] for name in each.parts]) if each.parts else singles[each.name]
        for each in documents
    }
    on_request = {each.name for each in documents if each.on_request}
    return AnalysisSet(
        MappingProxyType({name: each for name, each in made.items() if name not in on_request}),
        MappingProxyType({name: made[name] for name in made if name in on_request}),
    )
