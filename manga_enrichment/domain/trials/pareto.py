"""Which candidates nothing beats in everything: the Pareto front of cost, latency and agreement."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidacy:
    """agreement: 0 to 1, the larger the better; None where it answered nothing, which no front has."""

    name: str
    cost_micro_usd: float
    latency_ms: float
    agreement: float | None

    def beats(self, other: "Candidacy") -> bool:
        """As good in all, and better in one."""
        if self.agreement is None or other.agreement is None:
            return other.agreement is None and self.agreement is not None
        ours = (-self.cost_micro_usd, -self.latency_ms, self.agreement)
        theirs = (-other.cost_micro_usd, -other.latency_ms, other.agreement)
        return ours != theirs and all(one >= another for one, another in zip(ours, theirs, strict=True))


def front(candidates: Sequence[Candidacy]) -> list[str]:
    """Names of those that no other beats, in their order."""
    return [
        each.name
        for each in candidates
        if each.agreement is not None and not any(other.beats(each) for other in candidates)
    ]
