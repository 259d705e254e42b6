"""A candidate's document: that of an analysis, with another prompt, schema, limit or model.

Belongs here: making contenders of such files and of models. Stays out: what a document may say
(`domain/analyses/documents.py`), whether one may take another's place (`contenders.py`).

The file may have any name; its key `name` says which analysis it would be.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.analyses.documents import SUFFIX, AnalysisDocumentError, read_document
from manga_enrichment.domain.analyses.registry import remade
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.prompts.prompt import TITLE_FIELDS
from manga_enrichment.domain.trials.contenders import TODAY, Contender, TrialError, check_contenders


def candidate_analysis(text: str, file: str, today: AnalysisType, known: Mapping[str, AnalysisType]) -> AnalysisType:
    """The analysis of that document. known: by name, for the parts of a combined one.

    Raises TrialError, also for one that says another thing under today's version: answers of today would pass for its.
    """
    as_if = f"{today.name}{SUFFIX}"  # whose name decides about that of the analysis; the person has another file
    try:
        document = read_document(text, as_if, TITLE_FIELDS)
    except AnalysisDocumentError as error:
        raise TrialError(f"{file} cannot be tried as {today.name}: {str(error).replace(as_if, file)}") from error
    candidate = remade(document, known)
    if candidate.version == today.version and _said(candidate) != _said(today):
        raise TrialError(f"{file} says another thing under today's version {today.version!r}: give it another")
    return candidate


def entered(
    analysis: AnalysisType,
    known: Mapping[str, AnalysisType],
    models: ModelCatalog,
    documents: Mapping[str, str],
    aliases: Sequence[str],
) -> tuple[Contender, list[Contender]]:
    """(today, those who are tried). documents: file name -> text, asked of their own model or of today's.

    aliases: models that are asked by today's document. Raises TrialError, UnknownModelError.
    """
    today = Contender(TODAY, analysis, models.asked_for(analysis.name, analysis.model_alias))
    contenders = []
    for file, text in documents.items():
        candidate = candidate_analysis(text, file, analysis, known)
        has_own = candidate.model_alias != analysis.model_alias
        model = models.resolve(candidate.model_alias) if has_own else today.model
        contenders.append(Contender(_shown(file.removesuffix(SUFFIX)), candidate, model))
    contenders += [Contender(_shown(alias), analysis, models.resolve(alias)) for alias in aliases]
    check_contenders(today, contenders)
    return today, contenders


def _shown(name: str) -> str:
    """As tables and pages have it: nothing of it can be markup."""
    return re.sub(r"[^\w.:-]+", "-", name).strip("-") or "candidate"


def _said(analysis: AnalysisType) -> tuple[Any, ...]:
    """What decides about its answers."""
    texts = analysis.instructions, analysis.request, analysis.description
    limits = analysis.max_tokens, analysis.temperature
    return *texts, *limits, analysis.fields, analysis.needs_candidates, dict(analysis.output_schema)
