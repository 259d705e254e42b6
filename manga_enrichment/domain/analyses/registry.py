"""Which analyses there are: the packaged documents, and the set of all as a value that is handed on.

Belongs here: reading the packaged ones, documents made into a set. Stays out: what a document may say (`documents.py`),
a user's own (`own.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.resources import files
from types import MappingProxyType

from manga_enrichment.domain.analyses.base import NO_RULES, AnalysisType, Rules
from manga_enrichment.domain.analyses.documents import SUFFIX, Document, read_document
from manga_enrichment.domain.analyses.making import combined, single
from manga_enrichment.domain.errors import ConfigurationError

_FOLDER = "manga_enrichment.domain.analyses.packaged"
_FIRST = ("genre_classification", "content_summary", "similar_series", "reading_level", "full_enrichment")
"""In this order; others behind them, by name."""


class UnknownAnalysisError(ConfigurationError):
    """An analysis name that is not in the registry."""


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisSet:
    """Analyses by name. of_titles: asked for over the catalog; each has an asset, and a table or parts that have.

    on_request: asked for by batches alone; without assets and tables. Compared by identity.
    """

    of_titles: Mapping[str, AnalysisType]
    on_request: Mapping[str, AnalysisType] = field(default_factory=dict)

    @property
    def for_partners(self) -> dict[str, AnalysisType]:
        """All that a batch may ask for."""
        return {**self.of_titles, **self.on_request}

    def get(self, name: str) -> AnalysisType:
        """One of of_titles. Raises UnknownAnalysisError, which names them, or says who may ask for this one."""
        if name in self.of_titles:
            return self.of_titles[name]
        if name in self.on_request:
            raise UnknownAnalysisError(
                f"{name} is asked for by batches alone, so no night asks for it: `manga-enrichment requests quote` "
                "says what a batch would come to."
            )
        raise UnknownAnalysisError(f"Unknown analysis type {name!r}: choose one of {', '.join(self.of_titles)}.")


@cache
def packaged_analyses() -> AnalysisSet:
    """Those that come with the package, in the order in which they are shown everywhere."""
    return assembled(packaged_documents(), packaged_rules())


@cache
def packaged_documents() -> tuple[Document, ...]:
    texts = {each.name: each.read_text("utf-8") for each in files(_FOLDER).iterdir() if each.name.endswith(SUFFIX)}
    first = [f"{name}{SUFFIX}" for name in _FIRST]
    return tuple(read_document(texts[file], file) for file in (*first, *sorted(texts.keys() - set(first))))


def remade(document: Document, known: Mapping[str, AnalysisType]) -> AnalysisType:
    """What an analysis would be by another document, with the rules that it has. known: by name, also for parts."""
    if document.parts:
        return combined(document, [known[name] for name in document.parts])
    return single(document, known[document.name].rules)


def packaged_rules() -> Mapping[str, Rules]:
    """By name of the analysis."""
    return {
        each.name: replace(
            import_module(f"{_FOLDER}.{each.name}").RULES,
            source=(files(_FOLDER) / f"{each.name}.py").read_text("utf-8"),
        )
        for each in packaged_documents()
        if each.rules
    }


def assembled(documents: Sequence[Document], rules: Mapping[str, Rules]) -> AnalysisSet:
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
