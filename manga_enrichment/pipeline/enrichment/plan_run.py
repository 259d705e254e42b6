"""Make a run's plan: catalog, tables and ledger in, one plan file per bucket out. Bills nothing."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.specs import NIGHT_MODELS, ModelCatalog, ModelSpec
from manga_enrichment.domain.prompts.fingerprint import hashed_fields, question_identity
from manga_enrichment.domain.trials.canary import Canary
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.candidates.stored_lists import waiting_lists
from manga_enrichment.pipeline.catalog.reader import hashes_are_of
from manga_enrichment.pipeline.enrichment.bucket_slices import BucketTables
from manga_enrichment.pipeline.enrichment.calibrations import read_calibrations
from manga_enrichment.pipeline.enrichment.known_questions import KnownQuestions, Questions
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow, plan_rows, write_plan
from manga_enrichment.pipeline.enrichment.planner import Action, Planned, Planner
from manga_enrichment.pipeline.enrichment.why_asked import WhyAsked

Current = Mapping[str, Mapping[str, str]]
"""analysis -> manga_id -> fingerprint of the table's row"""


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
        lane: str = NIGHT_MODELS,
        canaries: Collection[Canary] = (),
        adds_up: bool = False,
        remembers: bool = False,
    ) -> None:
        """canaries: of any of the analyses. adds_up: estimates are for their sum, not what nearly each stays below.

        remembers: puts down what was worked out, so that the next plan is quick.
        """
        self._remembers = remembers
        self._canaries = canaries
        self._tables = tables
        self._ledger = ledger
        self._analyses = analyses
        self._models = models
        self._lane = lane
        self._adds_up = adds_up

    def plan(
        self, run_id: str, buckets: Sequence[str], selected: Collection[str], say: Callable[[str], None]
    ) -> PlanReport:
        """Write the plan of each bucket and return the sum. Raises ConfigurationError before anything is billed."""
        models, calibrations, planner = self._planner(buckets, selected)
        report = PlanReport()
        unwritten = set(self._analyses)
        identities = self._identities(models)
        for bucket in buckets:
            known = KnownQuestions(self._tables, bucket, identities)
            stored = BucketTables(self._tables, bucket, planner.wanted)
            why = WhyAsked(self._tables, bucket, self._analyses, models, stored.presses, stored.answers)
            before = report.titles

            def planned(
                stored: BucketTables = stored, known: KnownQuestions = known, why: WhyAsked = why
            ) -> Iterator[list[PlanRow]]:
                for part, current in self._slices(planner, stored, known, report):
                    priced = adding_up(part, models, calibrations) if self._adds_up else part
                    rows = plan_rows(with_cache_writes(why.told(priced), models, unwritten))
                    _count(report, rows)
                    self._count_again(report, rows, current)
                    yield rows

            write_plan(self._tables, run_id, bucket, planned(), stored.etags)
            if self._remembers and any(identities.values()):
                known.write()
            pa.default_memory_pool().release_unused()  # or what each bucket took comes to stay, here and there
            say(f"bucket {bucket}: {report.titles - before} titles, {report.calls} calls planned so far")
        return report

    def _slices(
        self, planner: Planner, stored: BucketTables, known: KnownQuestions, report: PlanReport
    ) -> Iterator[tuple[list[Planned], Current]]:
        """Some thousand titles at a time, what is planned about them, worked out where anything has changed or is
        missing; and the fingerprints that tables have of those."""
        for part in stored.slices():
            report.titles += len(part.ids)
            current = stored.fingerprints(part.ids)
            settled = known.settled(part, current, planner.wish, again := stored.presses.numbers)
            ids = part.ids.to_pylist()
            found = [
                (place, Planned(ids[place], name, Action.INSUFFICIENT, (name,), reason=reason))
                for place, name, reason in settled.too_little
            ]
            open_titles, worked_out = pc.invert(settled.is_settled), dict[str, Questions]()
            rows: Current = {}
            if pc.any(open_titles).as_py():
                places = {manga_id: place for place, manga_id in enumerate(ids)}
                rows = {name: known_of(part.ids, column) for name, column in current.items()}
                records, candidates = stored.titles(part.ids.filter(open_titles))
                items = planner.plan(records, candidates, rows, self._ledger.get_many, worked_out, again)
                found += [(places[item.manga_id], item) for item in items]
            known.note(part, worked_out)
            yield [item for _, item in sorted(found, key=itemgetter(0))], rows

    def moves(self, buckets: Sequence[str], selected: Collection[str]) -> Moves:
        """What waits for MANGA_CANDIDATES_REFRESH, and what moving all of it would take beyond a run of now."""
        _, _, planner = self._planner(buckets, selected)
        moves = Moves()
        for bucket in buckets:
            stored = None
            for ids, waiting in waiting_lists(self._tables, bucket):
                stored = stored or BucketTables(self._tables, bucket, planner.wanted)
                current = {name: known_of(ids, column) for name, column in stored.fingerprints(ids).items()}
                records, lists = stored.titles(ids)
                moves.titles += len(records)
                for shown, sign in ((waiting, 1), (lists, -1)):
                    again = stored.presses.numbers
                    for item in planner.plan(records, shown, current, self._ledger.get_many, again=again):
                        moves.calls += sign * (item.action is Action.ASK)
                        moves.cost_micro_usd += sign * item.estimated_micro_usd
        return moves

    def _count_again(self, report: PlanReport, rows: Sequence[PlanRow], current: Current) -> None:
        for row in rows:
            names = self._analyses[row.analysis].parts or (row.analysis,)
            if row.action is Action.ASK and any(row.manga_id in current.get(name, {}) for name in names):
                report.analyses[row.analysis].again += 1
                report.analyses[row.analysis].again_micro_usd += row.estimated_micro_usd

    def _identities(self, models: Mapping[str, ModelSpec]) -> dict[str, str]:
        """Of each analysis' questions; all unknown where the catalog's hashes are not of what is shown of it today."""
        is_known = hashes_are_of(self._tables) == hashed_fields(self._analyses.values())
        return {
            name: question_identity(analysis, models[name]) if is_known else ""
            for name, analysis in self._analyses.items()
        }

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


def adding_up(
    planned: Iterable[Planned], models: Mapping[str, ModelSpec], calibrations: Mapping[str, Calibration]
) -> Iterator[Planned]:
    """With estimates for their sum."""
    for item in planned:
        calibration = calibrations.get(item.analysis)
        if item.estimate is None or calibration is None:
            yield item
            continue
        estimate = item.estimate.as_one_of_many(calibration)
        yield replace(item, estimate=estimate, estimated_micro_usd=estimate.cost_micro_usd(models[item.analysis]))


def with_cache_writes(
    planned: Iterable[Planned], models: Mapping[str, ModelSpec], unwritten: set[str]
) -> Iterator[Planned]:
    """The first call of each analysis at the price of writing the prompt cache. unwritten: which are still to come."""
    for item in planned:
        if item.estimate is None or not item.estimate.prefix_cached or item.analysis not in unwritten:
            yield item
            continue
        unwritten.remove(item.analysis)
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


def known_of(ids: pa.Array, column: pa.Array) -> dict[str, str]:
    """By id the values that are there."""
    there = column.is_valid()
    return dict(zip(ids.filter(there).to_pylist(), column.filter(there).to_pylist(), strict=True))
