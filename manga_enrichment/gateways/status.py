"""How the last work on a partition ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


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
    """How work on partitions ended, the last time for each."""

    def put_partition(self, status: PartitionStatus) -> None: ...

    def partitions(self, analysis: str, buckets: Sequence[str]) -> Iterator[PartitionStatus]: ...
