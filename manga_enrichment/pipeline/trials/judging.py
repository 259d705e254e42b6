"""What the answers of a trial are worth: beside today's, beside truth, in money and time.

Belongs here: from entries and rows to the figures of a report. Stays out: the statistics (`domain/trials/`), asking
(`asking.py`), today's answers (`stored.py`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.percentiles import nearest_rank_or_zero
from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.domain.trials.comparison import Rows, agreements, confusion, duel, most_different, overall
from manga_enrichment.domain.trials.contenders import Contender
from manga_enrichment.domain.trials.fields import Likeness, likeness_of
from manga_enrichment.domain.trials.pareto import Candidacy, front
from manga_enrichment.domain.trials.report import Example, Standing
from manga_enrichment.pipeline.engine.calls import CallResult
from manga_enrichment.pipeline.store.rows import answer_row
from manga_enrichment.pipeline.trials.drawing import Sample
from manga_enrichment.pipeline.trials.stored import TodaysAnswers

EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Judging:
    """parts: the analyses whose tables the tried one fills: itself, or those of a combined one. truth: by manga_id."""

    parts: Sequence[AnalysisType]
    sample: Sample
    today: TodaysAnswers
    truth: Rows
    seed: int

    def standings(
        self, today: Contender, results: Iterable[tuple[Contender, Mapping[str, CallResult]]]
    ) -> list[Standing]:
        """Today's first; the Pareto front marked, of cost, latency and agreement."""
        found = [self._of_today(today), *(self._of(each, own) for each, own in results)]
        on_front = front([_candidacy(each) for each in found])
        for each in found:
            each.is_on_front = each.name in on_front
        return found

    def _of_today(self, today: Contender) -> Standing:
        standing = _standing(today, self.sample)
        standing.outcomes = {Outcome.SUCCEEDED.value: len(self.today.rows)}
        self._price(standing, self.today.micro_usd, self.today.entries)
        self._compare(standing, self.today.rows)
        standing.rest_micro_usd = 0
        return standing

    def _of(self, contender: Contender, results: Mapping[str, CallResult]) -> Standing:
        entries = [result.entry for result in results.values() if result.entry is not None]
        answered = {each.manga_id: each for each in entries if each.outcome is Outcome.SUCCEEDED}
        standing = _standing(contender, self.sample)
        standing.outcomes = dict(Counter(result.outcome.value for result in results.values()))
        standing.error_classes = _error_classes(results.values())
        self._price(standing, {each: float(entry.cost_micro_usd) for each, entry in answered.items()}, entries)
        self._compare(standing, {manga_id: self._row(entry) for manga_id, entry in answered.items()})
        return standing

    def _price(self, standing: Standing, micro_usd: Mapping[str, float], entries: Iterable[LedgerEntry]) -> None:
        latencies = Counter(each.latency_ms for entry in entries for each in entry.attempts if each.stop_reason)
        standing.latency_p50_ms = nearest_rank_or_zero(latencies, 50)
        standing.latency_p95_ms = nearest_rank_or_zero(latencies, 95)
        if micro_usd:
            standing.micro_usd_per_title = sum(micro_usd.values()) / len(micro_usd)
            standing.catalog_micro_usd = round(standing.micro_usd_per_title * self.sample.askable)
            left = self.sample.askable - len(micro_usd)
            standing.rest_micro_usd = round(standing.micro_usd_per_title * left)

    def _compare(self, standing: Standing, rows: Rows) -> None:
        columns, stored = self._columns(), self.today.rows
        standing.with_truth = agreements(columns, rows, self.truth, self.seed)
        standing.agreement = overall(columns, rows, self.truth or stored, self.seed)
        if rows is stored:
            return
        standing.with_today = agreements(columns, rows, stored, self.seed)
        exact = [column for column in columns if likeness_of(column) is Likeness.EXACT]
        duels = (duel(column, rows, stored, self.truth) for column in exact)
        standing.duels = [each for each in duels if each.titles]
        for column in exact:
            table = confusion(column, self.truth, rows) or confusion(column, stored, rows)
            if table:
                standing.confusions[column.name] = [(*pair, count) for pair, count in table.items()]
        standing.examples = self._examples(columns, rows)

    def _examples(self, columns: Sequence[Column], rows: Rows) -> list[Example]:
        stored = self.today.rows
        return [
            Example(
                each.manga_id,
                self.sample.titles[each.manga_id].record.title,
                each.apart,
                tuple(
                    (name, stored[each.manga_id][name], rows[each.manga_id][name], self._truth(each.manga_id, name))
                    for name in each.fields
                ),
            )
            for each in most_different(columns, stored, rows, EXAMPLES)
        ]

    def _truth(self, manga_id: str, name: str) -> Any:
        return self.truth.get(manga_id, {}).get(name)

    def _row(self, entry: LedgerEntry) -> dict[str, Any]:
        """The columns of all parts."""
        names = {column.name for column in self._columns()}
        cells = (answer_row(part, entry).items() for part in self.parts)
        return {name: value for row in cells for name, value in row if name in names}

    def _columns(self) -> list[Column]:
        return [column for part in self.parts for column in part.columns]


def _candidacy(each: Standing) -> Candidacy:
    agreement = each.agreement.mean if each.agreement is not None else None
    return Candidacy(each.name, each.micro_usd_per_title, each.latency_p50_ms, agreement)


def _standing(contender: Contender, sample: Sample) -> Standing:
    return Standing(contender.name, contender.model.model_id, contender.analysis.version, len(sample.titles))


def _error_classes(results: Iterable[CallResult]) -> dict[str, int]:
    """Attempts by why they brought no answer, and titles that were left without one."""
    found: Counter[str] = Counter()
    for result in results:
        attempts = result.entry.attempts if result.entry is not None else result.attempts
        classes = [each.error_class.value for each in attempts if each.error_class is not None]
        left = result.error_class
        if left is not None and left.value not in classes:
            classes.append(left.value)
        found.update(classes)
    return dict(found)
