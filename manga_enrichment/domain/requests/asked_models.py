"""Of which model an item of a batch would be asked: the batch's own word, then its lane's, then the analysis's.

Belongs here: reading that from a body that may be invalid in any way. Stays out: which model a lane has
(`domain/operations/quota_lanes.py`), the model of a conversation, which names one or has the schema's default.
"""

from collections.abc import Callable, Mapping
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.requests.schemas import BATCH, default_of, schema_document

AliasOf = Callable[[AnalysisType, str], str]
"""By an analysis and the priority of a batch that names no model."""


def own_alias(analysis: AnalysisType, _priority: str) -> str:
    """Where no lane has a model of its own."""
    return analysis.model_alias


def asked_alias(body: Mapping[str, Any], analysis: AnalysisType, alias_of: AliasOf) -> str:
    model, priority = body.get("model"), body.get("priority")
    if isinstance(model, str):
        return model
    is_known = isinstance(priority, str) and priority in schema_document(BATCH)["properties"]["priority"]["enum"]
    return alias_of(analysis, str(priority if is_known else default_of(BATCH, "priority")))
