"""What a trial found, as plain data: one entry a contender, and the examples worth a look.

Belongs here: the figures and their names. Stays out: working them out (`pipeline/trials/judging.py`), showing them
(`pipeline/trials/page.py`).
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from manga_enrichment.domain.trials.comparison import Duel, FieldAgreement
from manga_enrichment.domain.trials.intervals import Interval


@dataclass(frozen=True, slots=True)
class Example:
    """One title that is answered otherwise than today. values: (field, today, contender, truth or None)."""

    manga_id: str
    title: str
    apart: float
    values: tuple[tuple[str, Any, Any, Any], ...]


@dataclass(slots=True)
class Standing:
    """One contender, or today's answers, over the sample.

    outcomes         titles by what became of them; of today those with and without a row
    error_classes    attempts without an answer, by why: schema failures are invalid_answer and malformed_answer
    micro_usd_per_title  mean of what answered titles cost, repairs and retries included, whoever paid
    catalog_micro_usd    the same for every title that can be asked about
    rest_micro_usd   what promoting would bill: the catalog without the titles that are answered now
    estimated_micro_usd, billed_micro_usd  of this trial: before it asked, and what it paid in all its tries
    with_today, with_truth  agreement by field
    duels            against today on the truth
    confusions       field -> (today or truth, contender, titles); with truth where it is known of the field
    """

    name: str
    model_id: str
    prompt_version: str
    titles: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    error_classes: dict[str, int] = field(default_factory=dict)
    latency_p50_ms: int = 0
    latency_p95_ms: int = 0
    micro_usd_per_title: float = 0.0
    catalog_micro_usd: int = 0
    rest_micro_usd: int = 0
    estimated_micro_usd: int = 0
    billed_micro_usd: int = 0
    agreement: Interval | None = None
    with_today: list[FieldAgreement] = field(default_factory=list)
    with_truth: list[FieldAgreement] = field(default_factory=list)
    duels: list[Duel] = field(default_factory=list)
    confusions: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    is_on_front: bool = False

    @property
    def answered(self) -> int:
        return self.outcomes.get("succeeded", 0)

    @property
    def refused(self) -> int:
        return sum(self.error_classes.get(name, 0) for name in ("refusal", "content_filtered", "guardrail_intervened"))

    @property
    def schema_failures(self) -> int:
        return sum(self.error_classes.get(name, 0) for name in ("invalid_answer", "malformed_answer"))


@dataclass(slots=True)
class TrialReport:
    """agreement of standings is with the truth where there is one, else with today. standings: today's first.

    billed_micro_usd  of all tries, as the trial's counter has it, with calls that brought nothing
    stopped  why titles were left, in a sentence; "" when all were asked
    """

    trial_id: str
    analysis: str
    titles: int
    askable: int
    seed: int
    made_at: str
    cap_micro_usd: int
    estimated_micro_usd: int
    billed_micro_usd: int
    has_truth: bool
    truth_titles: int
    strata: dict[str, dict[str, int]]
    standings: list[Standing]
    strangers: list[str] = field(default_factory=list)
    stopped: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON values alone."""
        return asdict(self)

    @property
    def today(self) -> Standing:
        return self.standings[0]
