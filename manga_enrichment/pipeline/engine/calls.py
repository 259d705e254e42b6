"""What goes into the engine and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, TitleInputs
from manga_enrichment.domain.models.guardrails import Guardrail
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.prompts.prompt import Prompt
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.gateways.model import ModelCall, Repair
from manga_enrichment.pipeline.engine.money.estimates import CallEstimate


@dataclass(frozen=True, slots=True)
class Call:
    """One missing answer, ready to be asked for. claim: whose it is, where many share an engine (`Provenance`).

    guardrail: that the call passes, if any. why: it is asked, as its plan says; "" for partners and trials.
    """

    fingerprint: str
    bucket: str
    analysis: AnalysisType
    model: ModelSpec
    inputs: TitleInputs
    prompt: Prompt
    estimate: CallEstimate
    claim: str = ""
    guardrail: Guardrail | None = None
    why: str = ""

    @property
    def manga_id(self) -> str:
        return self.inputs.manga_id

    def estimated_micro_usd(self) -> int:
        """What the first attempt is expected to cost."""
        return self.estimate.cost_micro_usd(self.model)

    def as_sent(self, max_tokens: int, repair: Repair | None) -> ModelCall:
        """One attempt of it."""
        return ModelCall(self.model, self.prompt, max_tokens, repair, self.estimate.prefix_cached, self.guardrail)

    def most_micro_usd(self) -> int:
        """The same where the call pays for writing the prompt cache."""
        return self.estimate.writing_prefix().cost_micro_usd(self.model)


@dataclass(frozen=True, slots=True)
class CallResult:
    """What became of one call.

    entry       the ledger's entry when the outcome is final (an answer or a permanent failure)
    from_cache  the entry was there before: nothing was asked, attempts is ()
    attempts    what this engine sent for it, also when another run's answer came first
    """

    call: Call
    outcome: Outcome
    entry: LedgerEntry | None = None
    error_class: ErrorClass | None = None
    attempts: tuple[Attempt, ...] = ()
    from_cache: bool = False
    message: str = ""

    @property
    def cost_micro_usd(self) -> int:
        return sum(attempt.cost_micro_usd for attempt in self.attempts)

    @property
    def answer(self) -> Mapping[str, Any] | None:
        return self.entry.answer if self.entry is not None else None


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """concurrency: calls in flight; deadline_seconds: how long throttled or contended titles are tried.

    clock_skew: claims and leases of other machines count as run out that much later.
    """

    concurrency: int = 64
    deadline_seconds: float = 4 * 3600
    claim_seconds: float = 60
    clock_skew: timedelta = MOST_CLOCK_SKEW
