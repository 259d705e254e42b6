"""The billing meter: what was asked, what is on the bill, and what was paid for twice.

Belongs here: the counters of GET /_control/counters. Stays out: keeping them in a file (`record_file.py`).
At rest, requests = billed + throttled + errors + rejected. A prompt is remembered by 8 bytes of its digest.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.local.model_server.faults import FaultKind

DIGEST_BYTES = 8


@dataclass(slots=True)
class Counts:
    """Counters, since the last reset.

    requests    converse and invoke calls that arrived
    billed      calls that cost something, answered or not (hung, cut, refused ones too)
    throttled   429 by probability or quota
    errors      injected 5xx
    rejected    ValidationException, or the client left in the middle of its request; in totals only
    hung        calls held until the client left; billed
    duplicates  billed calls beyond the first of the same prompt
    guardrail_micro_usd  part of the cost
    """

    requests: int = 0
    billed: int = 0
    throttled: int = 0
    errors: int = 0
    rejected: int = 0
    hung: int = 0
    duplicates: int = 0
    cost_micro_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    guardrail_micro_usd: int = 0


@dataclass(slots=True)
class Meter:
    """All counters. Used from one event loop only. changes counts every change, so that a saver sees them."""

    totals: Counts = field(default_factory=Counts)
    by_model: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    by_fault: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    count_tokens: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    changes: int = 0
    billed_prompts: set[bytes] = field(default_factory=set)
    new_prompts: bytearray = field(default_factory=bytearray)
    keeps_new_prompts: bool = False

    def arrived(self) -> None:
        """A call came in; `left` has to follow."""
        self.changes += 1
        self.totals.requests += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def left(self) -> None:
        self.changes += 1
        self.in_flight -= 1

    def accepted(self, spec: ModelSpec) -> None:
        self.by_model[spec.model_id].requests += 1

    def rejected(self) -> None:
        self.totals.rejected += 1

    def throttled(self, spec: ModelSpec, by: str) -> None:
        self.by_fault[by] += 1
        for counts in self._counts(spec):
            counts.throttled += 1

    def failed(self, spec: ModelSpec) -> None:
        self.by_fault[FaultKind.ERROR] += 1
        for counts in self._counts(spec):
            counts.errors += 1

    def bill(
        self,
        spec: ModelSpec,
        digest: bytes,
        usage: Usage,
        fault: FaultKind,
        *,
        batch: bool = False,
        guardrail_micro_usd: int = 0,
    ) -> None:
        """Put one call on the bill, at the project's one rounding rule; batch: at the batch price."""
        cost = cost_micro_usd(usage, spec.price, batch=batch) + guardrail_micro_usd
        repeated = self._seen_before(digest[:DIGEST_BYTES])
        if fault is not FaultKind.NONE:
            self.by_fault[fault] += 1
        for counts in self._counts(spec):
            counts.billed += 1
            counts.duplicates += repeated
            counts.hung += fault is FaultKind.HANG
            counts.cost_micro_usd += cost
            counts.guardrail_micro_usd += guardrail_micro_usd
            counts.input_tokens += usage.input_tokens
            counts.output_tokens += usage.output_tokens
            counts.cache_read_tokens += usage.cache_read_tokens
            counts.cache_write_tokens += usage.cache_write_tokens

    def reset(self) -> None:
        """Start again from zero; calls in flight stay in flight."""
        fresh = Meter(in_flight=self.in_flight, max_in_flight=self.in_flight, changes=self.changes + 1)
        fresh.keeps_new_prompts = self.keeps_new_prompts
        for part in fields(Meter):
            setattr(self, part.name, getattr(fresh, part.name))

    def snapshot(self) -> dict[str, Any]:
        """The counters as a JSON object."""
        return {
            **asdict(self.totals),
            "count_tokens": self.count_tokens,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "by_model": {model_id: asdict(counts) for model_id, counts in self.by_model.items()},
            "by_fault": {str(kind): count for kind, count in self.by_fault.items()},
        }

    def restore(self, saved: Mapping[str, Any], prompts: Iterable[bytes]) -> None:
        """Continue from a snapshot; nothing is in flight in a process that just started."""
        names = {part.name for part in fields(Counts)} - ({"guardrail_micro_usd"} - saved.keys())  # of an older server
        self.totals = Counts(**{name: saved[name] for name in names})
        self.by_model.update({model_id: Counts(**counts) for model_id, counts in saved["by_model"].items()})
        self.by_fault.update(saved["by_fault"])
        self.count_tokens, self.max_in_flight = saved["count_tokens"], saved["max_in_flight"]
        self.billed_prompts.update(prompts)

    def _counts(self, spec: ModelSpec) -> tuple[Counts, Counts]:
        return self.totals, self.by_model[spec.model_id]

    def _seen_before(self, key: bytes) -> bool:
        if key in self.billed_prompts:
            return True
        self.billed_prompts.add(key)
        if self.keeps_new_prompts:
            self.new_prompts += key
        return False
