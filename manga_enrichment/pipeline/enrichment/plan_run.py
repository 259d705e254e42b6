"""Make a run's plan: catalog, tables and ledger in, one plan file per bucket out. Bills nothing."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.specs import NIGHT_MODELS, ModelCatalog, ModelSpec
from manga_enrichment.domain.trials.canary import Canary
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.candidates.stored_lists import read_waiting
from manga_enrichment.pipeline.candidates.tables import read_candidates
from manga_enrichment.pipeline.catalog.reader import read_records
from manga_enrichment.pipeline.enrichment.calibrations import read_calibrations
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow, write_plan
from manga_enrichment.pipeline.enrichment.planner import Action, Planned, Planner
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment.pipeline.store.rows import fingerprints


@dataclass(slots=True)
class AnalysisPlan:
    """What one analysis is to do: titles by action, and what asking will take.

    again: calls about titles that have an answer, which counts no more, and what these take of the estimate.
    """

    actions: dict[str, int] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    estimated_micro_usd: int = 0
    again: int = 0
    again_micro_usd: int = 0

    @property
    def calls(self) -> int:
        return self.actions.get(Action.ASK.value, 0)


@dataclass(slots=True)
class Moves:
    """Titles whose candidate list is of an earlier method, and what asking with today's list takes in addition."""

    titles: int = 0
    calls: int = 0
    cost_micro_usd: int = 0


@dataclass(slots=True)
class PlanReport:
    """The plan of a run, in numbers."""

    titles: int = 0
    analyses: dict[str, AnalysisPlan] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        return sum(plan.calls for plan in self.analyses.values())

    @property
    def estimated_micro_usd(self) -> int:
        return sum(plan.estimated_micro_usd for plan in self.analyses.values())

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Planning:
    def __init__(
        self,
        *,
        tables: ObjectStore,
        ledger: ResultLedger,
        analyses: Mapping[str, AnalysisType],
        models: ModelCatalog,
        first_calls: int = 1,
        lane: str = NIGHT_MODELS,
        canaries: Collection[Canary] = (),
        adds_up: bool = False,
    ) -> None:
        """first_calls: so many leave before the first is answered, and may all pay for writing the prompt cache.

        canaries: of any of the analyses. adds_up: estimates are for their sum, not what nearly each call stays below.
        """
        self._canaries = canaries
        self._tables = tables
        self._ledger = ledger
        self._analyses = analyses
        self._models = models
        self._first_calls = first_calls
        self._lane = lane
        self._adds_up = adds_up

    def plan(
        self, run_id: str, buckets: Sequence[str], selected: Collection[str], say: Callable[[str], None]
    ) -> PlanReport:
        """Write the plan of each bucket and return the sum. Raises ConfigurationError before anything is billed."""
        models, calibrations, planner = self._planner(buckets, selected)
        report = PlanReport()
        writers = Counter(dict.fromkeys(self._analyses, self._first_calls))
        for bucket in buckets:
            records = list(read_records(self._tables, bucket))
            current = {name: self._current(name, bucket) for name in planner.wanted}
            candidates = read_candidates(self._tables, bucket)
            planned = planner.plan(records, candidates, current, self._ledger.get_many)
            if self._adds_up:
                planned = _adding_up(planned, models, calibrations)
            rows = write_plan(self._tables, run_id, bucket, _with_cache_writes(planned, models, writers))
            report.titles += len(records)
            _count(report, rows)
            self._count_again(report, rows, current)
            say(f"bucket {bucket}: {len(records)} titles, {report.calls} calls planned so far")
        return report

    def moves(self, buckets: Sequence[str], selected: Collection[str]) -> Moves:
        """What waits for MANGA_CANDIDATES_REFRESH, and what moving all of it would take beyond a run of now."""
        _, _, planner = self._planner(buckets, selected)
        moves = Moves()
        for bucket in buckets:
            waiting = read_waiting(self._tables, bucket)
            if not waiting:
                continue
            records = [record for record in read_records(self._tables, bucket) if record.manga_id in waiting]
            current = {name: self._current(name, bucket) for name in planner.wanted}
            moves.titles += len(records)
            for lists, sign in ((waiting, 1), (read_candidates(self._tables, bucket), -1)):
                for item in planner.plan(records, lists, current, self._ledger.get_many):
                    moves.calls += sign * (item.action is Action.ASK)
                    moves.cost_micro_usd += sign * item.estimated_micro_usd
        return moves

    def _count_again(
        self, report: PlanReport, rows: Sequence[PlanRow], current: Mapping[str, Mapping[str, str]]
    ) -> None:
        for row in rows:
            names = self._analyses[row.analysis].parts or (row.analysis,)
            if row.action is Action.ASK and any(row.manga_id in current.get(name, {}) for name in names):
                report.analyses[row.analysis].again += 1
                report.analyses[row.analysis].again_micro_usd += row.estimated_micro_usd

    def _planner(
        self, buckets: Sequence[str], selected: Collection[str]
    ) -> tuple[dict[str, ModelSpec], dict[str, Calibration], Planner]:
        models = {
            name: self._models.asked_for(name, analysis.model_alias, self._lane)
            for name, analysis in self._analyses.items()
        }
        calibrations = read_calibrations(self._tables, models)
        pending = BatchStore(self._tables).pending(buckets)
        planner = Planner(self._analyses, models, selected, calibrations, pending, self._canaries)
        return models, calibrations, planner

    def _current(self, analysis: str, bucket: str) -> dict[str, str]:
        stored = self._tables.read(table_key(analysis, bucket), ["manga_id", "fingerprint"])
        return fingerprints(stored.table if stored else None)


def _adding_up(
    planned: Iterable[Planned], models: Mapping[str, ModelSpec], calibrations: Mapping[str, Calibration]
) -> Iterator[Planned]:
    for item in planned:
        calibration = calibrations.get(item.analysis)
        if item.estimate is None or calibration is None:
            yield item
            continue
        estimate = item.estimate.as_one_of_many(calibration)
        yield replace(item, estimate=estimate, estimated_micro_usd=estimate.cost_micro_usd(models[item.analysis]))


def _with_cache_writes(
    planned: Iterable[Planned], models: Mapping[str, ModelSpec], writers: Counter[str]
) -> Iterator[Planned]:
    """The first calls of each analysis at the price of writing the prompt cache. writers: how many are left."""
    for item in planned:
        if item.estimate is None or not item.estimate.prefix_cached or writers[item.analysis] <= 0:
            yield item
            continue
        writers[item.analysis] -= 1
        estimate = item.estimate.writing_prefix()
        yield replace(item, estimate=estimate, estimated_micro_usd=estimate.cost_micro_usd(models[item.analysis]))


def _count(report: PlanReport, rows: Sequence[PlanRow]) -> None:
    for name in {row.analysis for row in rows}:
        own = [row for row in rows if row.analysis == name]
        plan = report.analyses.setdefault(name, AnalysisPlan())
        plan.actions = dict(Counter(plan.actions) + Counter(row.action.value for row in own))
        plan.input_tokens += sum(row.input_tokens for row in own)
        plan.output_tokens += sum(row.output_tokens for row in own)
        plan.estimated_micro_usd += sum(row.estimated_micro_usd for row in own)
