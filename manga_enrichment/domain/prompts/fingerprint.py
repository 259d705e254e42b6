"""The identity of one answer: what it depends on, and nothing else.

Two calls with the same fingerprint would be the same question to the same model, so only one is ever paid
for. Belongs here: the fingerprint of a call and the content hash of a record. Stays out: where answers are
looked up (the ledger), and how inputs are cleaned (`prompt.py`).

What does not count, on purpose: catalog fields that the prompt does not show, time, the run, the order in
which candidates were retrieved, the alias by which the model was chosen.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, TitleInputs
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.prompts.prompt import inference_parameters, prompt_fields

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False).encode


def fingerprint(analysis: AnalysisType, model: ModelSpec, inputs: TitleInputs) -> str:
    """sha256 in hex of everything the answer depends on. `inputs` come from `prompt.py:title_inputs`."""
    return _digest(
        {
            "analysis": analysis.name,
            "prompt_version": analysis.version,
            "model_id": model.model_id,
            "parameters": inference_parameters(analysis, model),
            "manga_id": inputs.manga_id,
            "fields": dict(inputs.fields),
            "candidates": sorted(candidate.manga_id for candidate in inputs.candidates),
            "additional_context": inputs.additional_context,
            **({"again": inputs.again} if inputs.again else {}),  # what was never asked again keeps its identity
        }
    )


def hashed_fields(analyses: Iterable[AnalysisType]) -> tuple[str, ...]:
    """What `content_hash` is of."""
    return tuple(sorted({name for analysis in analyses for name in analysis.fields}))


def question_identity(analysis: AnalysisType, model: ModelSpec) -> str:
    """sha256 in hex of what all its questions have in common: all but the title decides their fingerprints, and whether
    there is enough to ask. "" where that cannot be told, since nobody knows what says that there is enough.
    """
    if not analysis.judged_by:
        return ""
    return _digest(
        {
            "package": version("manga-enrichment"),  # cleaning, rules that come with it
            "analysis": analysis.name,
            "prompt_version": analysis.version,
            "model_id": model.model_id,
            "parameters": inference_parameters(analysis, model),
            "fields": list(analysis.fields),
            "candidates": analysis.needs_candidates,
            "judged_by": analysis.judged_by,
        }
    )


def content_hash(analyses: Iterable[AnalysisType]) -> Callable[[MangaRecord], str]:
    """What hashes a record: sha256 in hex of what any of the analyses shows of it. A change means that some answer may
    be outdated.
    """
    names = hashed_fields(analyses)

    def hashed(record: MangaRecord) -> str:
        return _digest({"manga_id": record.manga_id, "fields": prompt_fields(record, names, remember=False)})

    return hashed


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(content).encode()).hexdigest()
