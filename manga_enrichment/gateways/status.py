"""How the last work on a partition ended, and the canaries of analyses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from manga_enrichment.domain.trials.canary import Canary


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """How the last work on one (analysis, bucket) ended."""

    analysis: str
    bucket: str
    status: str
    run_id: str
    trigger: str
    updated_at: datetime
    counts: Mapping[str, int]
    cost_micro_usd: int
    error_class: str = ""


class StatusStore(Protocol):
    """How work on partitions ended, the last time for each, and the latest canary of each analysis."""

    def put_partition(self, status: PartitionStatus) -> None: ...

    def partitions(self, analysis: str, buckets: Sequence[str]) -> Iterator[PartitionStatus]: ...

    def canary(self, analysis: str) -> Canary | None: ...

    def put_canary(self, canary: Canary) -> None:
        """In the place of any earlier one of its analysis."""
        ...

    def judge_canary(self, canary: Canary) -> bool:
        """Its state and what is said of it, unless another has been put since it was read: then False."""
        ...
