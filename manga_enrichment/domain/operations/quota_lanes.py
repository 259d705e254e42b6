"""The lanes that share a model's quota, and how: the one table of their weights.

Belongs here: names, default weights, which lane a queue's requests are in and of which models it asks. Stays out: how
shares follow from weights (`pipeline/engine/rate/fair_share.py`), which run is in which lane (`defs/shared/tags.py`).

A weight is a lane's, however many runs it has. It counts only while the lane has something to ask.
"""

from collections.abc import Mapping
from types import MappingProxyType

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.requests.asked_models import AliasOf
from manga_enrichment.domain.requests.queues import BY_PRIORITY, HIGH_PRIORITY, LOW_PRIORITY, NORMAL, ORDERED, SESSION

URGENT, CONVERSATIONS, NORMAL_BATCHES, LOW_BATCHES, NIGHT, BACKFILL = (
    "urgent",
    "conversations",
    "normal",
    "low",
    "night",
    "backfill",
)

LANE_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {URGENT: 16.0, CONVERSATIONS: 16.0, NORMAL_BATCHES: 8.0, LOW_BATCHES: 4.0, NIGHT: 4.0, BACKFILL: 2.0}
)

MODEL_LANES = (NIGHT, URGENT, NORMAL_BATCHES, LOW_BATCHES)
"""Those that may have models of their own. A backfill has the night's, since it fills the same tables; a conversation
names its model."""

LANE_OF_QUEUE: Mapping[str, str] = MappingProxyType(
    {
        HIGH_PRIORITY.name: URGENT,
        NORMAL.name: NORMAL_BATCHES,
        LOW_PRIORITY.name: LOW_BATCHES,
        ORDERED.name: CONVERSATIONS,
        SESSION.name: CONVERSATIONS,
    }
)


def lane_of_priority(priority: str) -> str:
    """In which a batch of that priority is."""
    return LANE_OF_QUEUE[BY_PRIORITY[priority].name]


def batch_models(models: ModelCatalog) -> AliasOf:
    """Of which model each lane asks an analysis when a batch names none."""

    def alias_of(analysis: AnalysisType, priority: str) -> str:
        return models.alias_for(analysis.name, analysis.model_alias, lane_of_priority(priority))

    return alias_of
