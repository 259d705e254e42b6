"""A trial from its question to its report: draw, estimate, ask, judge, keep.

Belongs here: the order of these steps, for the command and the job alike. Stays out: each of the steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.trials.comparison import Rows
from manga_enrichment.domain.trials.contenders import Contender, TrialError
from manga_enrichment.domain.trials.report import Standing, TrialReport
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.invocation import InvokeGateways, InvokeSettings
from manga_enrichment.pipeline.trials.asking import (
    TRIAL_TRIGGER,
    TrialAsking,
    calls_of,
    capped,
    estimate_micro_usd,
    log_paid,
    spent_by,
    trial_id,
)
from manga_enrichment.pipeline.trials.drawing import Sample, draw
from manga_enrichment.pipeline.trials.judging import Judging
from manga_enrichment.pipeline.trials.stored import todays_answers


@dataclass(frozen=True, slots=True)
class TrialQuestion:
    """What is to be tried. truth: by manga_id, values by column. truth_is_given: for this trial, so that it has to be
    about the catalog; else it is what the store of labels has."""

    today: Contender
    contenders: Sequence[Contender]
    titles: int
    seed: int
    cap_micro_usd: int
    truth: Rows = field(default_factory=dict)
    truth_is_given: bool = True


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """Nothing is asked yet. estimates: micro-dollars by contender, of what the ledger does not have."""

    run_id: str
    sample: Sample
    calls: Mapping[str, Sequence[Call]]
    estimates: Mapping[str, int]
    missing: int

    @property
    def estimated_micro_usd(self) -> int:
        return sum(self.estimates.values())

    def sentence(self) -> str:
        calls = sum(map(len, self.calls.values()))
        known = calls - self.missing
        return (
            f"{self.run_id}: {len(self.sample.titles)} of {self.sample.askable} titles, {len(self.calls)} contenders, "
            f"{self.missing} calls ({known} answers are there), about USD {usd(self.estimated_micro_usd):.6f}"
        )


@dataclass(frozen=True, slots=True)
class Trials:
    """Tries over the stored catalog. settings: of any run; the trial's cap takes the place of a run's."""

    tables: ObjectStore
    gateways: InvokeGateways
    settings: InvokeSettings
    analyses: Mapping[str, AnalysisType]
    bucket_count: int
    say: Callable[[str], None]

    def plan(self, question: TrialQuestion) -> PlannedTrial:
        """What would be asked. Raises TrialError, also when it would not fit under the cap; ConfigurationError."""
        analyses = [each.analysis for each in (question.today, *question.contenders)]
        sample = draw(
            self.tables,
            self.bucket_count,
            analyses,
            size=question.titles,
            seed=question.seed,
            preferred=question.truth.keys(),
            must_know=question.truth_is_given,
        )
        calls = {each.name: calls_of(each, sample, self.tables) for each in question.contenders}
        known = self.gateways.ledger.get_many([call.fingerprint for own in calls.values() for call in own])
        missing = {name: [call for call in own if call.fingerprint not in known] for name, own in calls.items()}
        estimates = {name: estimate_micro_usd(own) for name, own in missing.items()}
        run_id = trial_id(question.contenders, question.titles, question.seed, self.tables.uri(""))
        planned = PlannedTrial(run_id, sample, calls, estimates, sum(map(len, missing.values())))
        if planned.estimated_micro_usd > question.cap_micro_usd:
            raise TrialError(
                f"The trial would take about USD {usd(planned.estimated_micro_usd):.6f}, more than its cap of USD "
                f"{usd(question.cap_micro_usd):.6f}: try fewer titles or contenders, or raise the cap"
            )
        return planned

    def run(self, question: TrialQuestion, planned: PlannedTrial, execution: str) -> TrialReport:
        """Ask what is missing, and judge. execution: a name that no other try of this trial has."""
        now = self.gateways.clock.now()
        self.say(planned.sentence())
        provenance = Provenance(planned.run_id, now.date().isoformat(), TRIAL_TRIGGER)
        asking = TrialAsking(self.tables, self.gateways, capped(self.settings, question.cap_micro_usd), self.say)
        results = asking.ask(planned.calls, provenance, execution)
        for own in results.values():
            log_paid(self.tables, own.values())
        standings = self._judged(question, planned, results)
        return _report(question, planned, standings, self._billed(planned), _stopped(results), now)

    def _judged(
        self, question: TrialQuestion, planned: PlannedTrial, results: Mapping[str, Mapping[str, CallResult]]
    ) -> list[Standing]:
        analysis = question.today.analysis
        parts = [self.analyses[name] for name in analysis.parts] or [analysis]
        today = todays_answers(self.tables, self.gateways.ledger, parts, planned.sample.titles)
        truth = {manga_id: row for manga_id, row in question.truth.items() if manga_id in planned.sample.titles}
        judging = Judging(parts, planned.sample, today, truth, question.seed)
        standings = judging.standings(question.today, [(each, results[each.name]) for each in question.contenders])
        for each in standings[1:]:
            each.estimated_micro_usd = planned.estimates[each.name]
            each.billed_micro_usd = spent_by(results[each.name].values(), planned.run_id).total()
        return standings

    def _billed(self, planned: PlannedTrial) -> int:
        return self.gateways.budget.spent(f"run:{planned.run_id}")[1]


def _report(
    question: TrialQuestion, planned: PlannedTrial, standings: list[Standing], billed: int, stopped: str, now: datetime
) -> TrialReport:
    strata: dict[str, dict[str, int]] = {"demographic": {}, "language": {}, "length": {}}
    for title in planned.sample.titles.values():
        for name, counts in strata.items():
            value = getattr(title.stratum, name)
            counts[value] = counts.get(value, 0) + 1
    return TrialReport(
        trial_id=planned.run_id,
        analysis=question.today.analysis.name,
        titles=len(planned.sample.titles),
        askable=planned.sample.askable,
        seed=question.seed,
        made_at=now.isoformat(timespec="seconds"),
        cap_micro_usd=question.cap_micro_usd,
        estimated_micro_usd=planned.estimated_micro_usd,
        billed_micro_usd=billed,
        has_truth=bool(question.truth),
        truth_titles=len(question.truth.keys() & planned.sample.titles.keys()),
        strata=strata,
        standings=standings,
        strangers=planned.sample.strangers,
        stopped=stopped,
    )


def _stopped(results: Mapping[str, Mapping[str, CallResult]]) -> str:
    """Why titles were left, and how many."""
    left = [each for own in results.values() for each in own.values() if each.outcome is Outcome.DEFERRED]
    if not left:
        return ""
    why = sorted({each.error_class.value for each in left if each.error_class is not None})
    return f"{len(left)} answers are missing ({', '.join(why)}): run the same trial again to go on"
