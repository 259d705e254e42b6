"""What is kept of a call: every attempt with its cost, and the answer that came of it.

Belongs here: `Attempt`, `LedgerEntry`, `Provenance`. Stays out: how entries are stored
(`aws/dynamodb/ledger_items.py`) and how tables are cut from them (`pipeline/store/rows.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from manga_enrichment.domain.models.usage import NO_USAGE, Usage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who asked: the run that pays, and why it runs (schedule, backfill, manual, partner id, trial).

    claim: `request_id:generation` of the partner's request, where a run works at each request by itself; else "".
    """

    run_id: str
    run_date: str
    trigger: str
    partner_id: str = ""
    claim: str = ""

    def of_claim(self, claim: str) -> "Provenance":
        """The same for one request among many."""
        return self if claim == self.claim else replace(self, claim=claim)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a claim was taken for, when and by whom: what a row of the requests log needs should its owner vanish.

    service_tier: at whose price; "" in claims of releases that did not say.
    """

    manga_id: str
    analysis: str
    bucket: str
    model_id: str
    prompt_version: str
    provenance: Provenance
    at: datetime
    service_tier: str = ""


@dataclass(frozen=True, slots=True)
class AbandonedClaim:
    """A claim past its time: micro_usd may have been billed for a call that nobody tells of any more."""

    fingerprint: str
    micro_usd: int
    asked: Asked


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a call, as sent to the model.

    number         1 for the first try of a call
    error_class    None when the attempt brought the answer
    maybe_billed   no usage came back but the provider may charge: cost_micro_usd is then the cost of the same
                   call's answered attempt, or the estimate when none was answered
    guardrail_micro_usd  what of the cost a guardrail took
    service_tier         that served it, or was asked for; "" when nobody noted it, and of records of batch jobs
    """

    number: int
    started_at: datetime
    latency_ms: int
    usage: Usage = NO_USAGE
    cost_micro_usd: int = 0
    error_class: ErrorClass | None = None
    stop_reason: str = ""
    maybe_billed: bool = False
    message: str = ""
    guardrail_micro_usd: int = 0
    service_tier: str = ""


MEMORY = 1
"""Version of the rules by which a failure is remembered for good."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The final word on one fingerprint: an answer, or a permanent failure not worth asking again.

    memory: the rules that a failure was remembered by; entries of releases that had no such number have 0.
    why: it was asked; "" where nobody noted it.
    """

    fingerprint: str
    outcome: Outcome
    analysis: str
    manga_id: str
    bucket: str
    model_id: str
    prompt_version: str
    provenance: Provenance
    created_at: datetime
    attempts: tuple[Attempt, ...] = ()
    answer: Mapping[str, Any] | None = None
    error_class: ErrorClass | None = None
    lane: str = "on_demand"
    memory: int = MEMORY
    why: str = ""

    @property
    def is_doubtful(self) -> bool:
        """Remembered by rules that took any refused request for its title's fault: to be asked again, once.

        What the model itself said has a stop reason, and stands.
        """
        is_refused = self.error_class is ErrorClass.INVALID_REQUEST and not any(
            attempt.stop_reason for attempt in self.attempts
        )
        return self.memory < MEMORY and is_refused

    @property
    def cost_micro_usd(self) -> int:
        return sum(attempt.cost_micro_usd for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """What became of a wish to answer some fingerprints.

    granted     ours to ask until the claim runs out
    answered    already in the ledger: nothing to pay
    contended   another run is asking right now
    lost        of those granted: what calls of a run that left its claim behind may have cost, in micro-dollars
    """

    granted: frozenset[str] = frozenset()
    answered: Mapping[str, LedgerEntry] = field(default_factory=dict)
    contended: frozenset[str] = frozenset()
    lost: Mapping[str, int] = field(default_factory=dict)
