"""What an op that asked a model says of its work, as plain JSON values.

Belongs here: the report. Stays out: counting (`tally.py`), what a bucket got (`pipeline/enrichment/bucket_numbers.py`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class InvokeReport:
    """One analysis over some buckets. calls: attempts, with repairs and retries; cached: answered from the ledger."""

    analysis: str
    titles: int = 0
    calls: int = 0
    cached: int = 0
    throttled: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    error_classes: dict[str, int] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_micro_usd: int = 0
    latency_p50_ms: int = 0
    latency_p95_ms: int = 0
    seconds: float = 0.0
    stopped_by: str = ""
    stopped_message: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "InvokeReport":
        return cls(**values)
