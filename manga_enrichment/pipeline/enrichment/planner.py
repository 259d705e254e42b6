"""What is missing, and the cheapest calls that fill it.

Belongs here: one title's state per analysis (current, in the ledger, too little text, failed for good, to be asked)
and the choice between one `full_enrichment` and single calls. Pure but for the ledger look-up, batched per bucket.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.prompts.again import NEVER, Numbers
from manga_enrichment.domain.trials.canary import Canary
from manga_enrichment.pipeline.engine.money.estimates import CallEstimate
from manga_enrichment.pipeline.enrichment.known_questions import Questions, Wish
from manga_enrichment.pipeline.enrichment.options import Option, options_about

Lookup = Callable[[Sequence[str]], Mapping[str, LedgerEntry]]


class Action(StrEnum):
    ASK = "ask"
    USE_LEDGER = "use_ledger"
    INSUFFICIENT = "insufficient_input"
    FAILED_BEFORE = "failed_before"
    PENDING = "batch_pending"
    HELD = "held_back"


@dataclass(frozen=True, slots=True)
class Planned:
    """What to do about one title for one analysis type; a title that is up to date has none.

    fills: the analyses whose tables wait for it. A combined call answers all of its parts and fills only those that
    nothing else does, so each wanted analysis of a title is filled by one plan at most. again: the number of a question
    that is to be asked.
    """

    manga_id: str
    analysis: str
    action: Action
    fills: tuple[str, ...]
    fingerprint: str = ""
    reason: str = ""
    estimate: CallEstimate | None = None
    estimated_micro_usd: int = 0
    again: int = 0


class Planner:
    """Plans buckets for a selection of analysis types."""

    def __init__(
        self,
        analyses: Mapping[str, AnalysisType],
        models: Mapping[str, ModelSpec],
        selected: Collection[str],
        calibrations: Mapping[str, Calibration] = MappingProxyType({}),
        pending: Collection[str] = frozenset(),
        canaries: Collection[Canary] = (),
    ) -> None:
        """models and calibrations: by analysis name. selected: names to be brought up to date.
        pending: fingerprints that a batch job is asking for. canaries: some titles are held back for those that are
        about what would be asked today.
        """
        self._pending = pending
        self._analyses = analyses
        self._models = models
        self._calibrations = calibrations
        self._selected = frozenset(selected)
        self._combined = [analyses[name] for name in selected if analyses[name].parts]
        self._wanted = [
            name
            for name, analysis in analyses.items()
            if not analysis.parts and (name in selected or any(name in full.parts for full in self._combined))
        ]

        self._canaries = {
            canary: affected_by(canary.analysis, analyses, self._combined)
            for canary in canaries
            if (analyses[canary.analysis].version, models[canary.analysis].model_id) == canary.identity
        }

    @property
    def wanted(self) -> list[str]:
        """Names of the analyses whose tables are to be filled."""
        return list(self._wanted)

    @property
    def wish(self) -> Wish:
        wholes = [each for each in self._analyses.values() if each.parts]
        sources = {name: [name, *(each.name for each in wholes if name in each.parts)] for name in self._wanted}
        return Wish(self._wanted, sources, self._selected)

    def plan(
        self,
        records: Iterable[MangaRecord],
        candidates: Mapping[str, Sequence[Candidate]],
        current: Mapping[str, Mapping[str, str]],
        lookup: Lookup,
        worked_out: dict[str, Questions] | None = None,
        again: Mapping[str, Numbers] = MappingProxyType({}),
    ) -> Iterator[Planned]:
        """Plan one bucket, or some of its titles.

        candidates: by manga_id. current: analysis -> manga_id -> fingerprint of the table's row. lookup: the ledger.
        worked_out: is told the questions of each title. again: by manga_id, of titles that were asked again.
        """
        missing = []
        for record in records:
            numbers = again.get(record.manga_id, NEVER)
            options = self._options(record, candidates.get(record.manga_id, ()), numbers)
            if worked_out is not None:
                worked_out[record.manga_id] = {
                    name: option.mark for name, option in options.items() if name in self._analyses
                }
            if parts := self._missing(record.manga_id, options, current):
                missing.append((options, parts))
        askable = {
            option.fingerprint
            for options, parts in missing
            for option in options.values()
            if any(option.fills(name) for name in parts)
        }
        entries = lookup(sorted(askable))
        for options, parts in missing:
            yield from self._plan_title(options, parts, entries)

    def _options(self, record: MangaRecord, candidates: Sequence[Candidate], numbers: Numbers) -> dict[str, Option]:
        """All that could fill something wanted, selected or not: a combined call's row is as current as a single's."""
        kinds = [each for each in self._analyses.values() if each.name in self._wanted or each.parts]
        return options_about(record, candidates, numbers, kinds, self._models, self._calibrations)

    def _missing(
        self, manga_id: str, options: Mapping[str, Option], current: Mapping[str, Mapping[str, str]]
    ) -> list[str]:
        """Wanted analyses whose table has no row of a fingerprint that counts today."""
        missing = []
        for name in self._wanted:
            row = current.get(name, {}).get(manga_id)
            if row is None or row not in (option.fingerprint for option in self._sources(name, options)):
                missing.append(name)
        return missing

    def _plan_title(
        self, options: Mapping[str, Option], parts: Sequence[str], entries: Mapping[str, LedgerEntry]
    ) -> Iterator[Planned]:
        held = self._held_back(options, parts)
        for name, reason in held.items():
            yield _planned(options[name], Action.HELD, "", reason)
        left = []
        for name in (each for each in parts if each not in held):
            source = next((o for o in self._sources(name, options) if _answered(o, entries)), None)
            waiting = next((o for o in self._sources(name, options) if o.fingerprint in self._pending), None)
            if source is not None:
                yield _planned(options[name], Action.USE_LEDGER, source.fingerprint)
            elif waiting is not None:
                yield _planned(options[name], Action.PENDING, waiting.fingerprint, "a batch job is asking for it")
            else:
                left.append(name)
        yield from self._failed_combined(options, left, entries)
        combined = self._cheaper_combined(options, left, entries)
        if combined is not None:
            fills = tuple(name for name in left if name in combined.analysis.parts)
            yield _asked(combined, fills)
            left = [name for name in left if name not in fills]
        for name in left:
            yield from self._plan_single(options, name, entries)

    def _held_back(self, options: Mapping[str, Option], parts: Sequence[str]) -> dict[str, str]:
        """Name -> why, of what has to wait for a canary. What the ledger has waits, too: the old answer is kept."""
        manga_id = next(iter(options.values())).inputs.manga_id
        return {
            name: canary.reason
            for canary, affected in self._canaries.items()
            if canary.holds_back(manga_id)
            for name in parts
            if name in affected and any(option.fills(name) for option in options.values())
        }

    def _failed_combined(
        self, options: Mapping[str, Option], missing: Sequence[str], entries: Mapping[str, LedgerEntry]
    ) -> Iterator[Planned]:
        """Combined calls that failed for good. They fill nothing; named, so that a killed run's attempts get logged."""
        for analysis in self._combined:
            option = options[analysis.name]
            failed = entries.get(option.fingerprint) if any(map(option.fills, missing)) else None
            if failed is not None:
                yield _planned(option, Action.FAILED_BEFORE, option.fingerprint, failed.error_class or "", fills=())

    def _plan_single(
        self, options: Mapping[str, Option], name: str, entries: Mapping[str, LedgerEntry]
    ) -> Iterator[Planned]:
        option = options[name]
        if name not in self._selected:  # only the combined analysis is selected, and it can not be asked
            combined = next(o for o in options.values() if name in o.analysis.parts)
            if combined.insufficient is not None:
                yield _planned(option, Action.INSUFFICIENT, "", combined.insufficient)
            else:
                yield _planned(option, Action.FAILED_BEFORE, combined.fingerprint, _error(combined, entries))
        elif option.insufficient is not None:
            yield _planned(option, Action.INSUFFICIENT, "", option.insufficient)
        elif option.fingerprint in entries:
            yield _planned(option, Action.FAILED_BEFORE, option.fingerprint, _error(option, entries))
        else:
            yield _asked(option, (name,))

    def _sources(self, name: str, options: Mapping[str, Option]) -> Iterator[Option]:
        """What may have answered this part: its own call first, then combined ones."""
        own = options[name]
        yield from (option for option in (own, *options.values()) if option.fills(name))

    def _cheaper_combined(
        self, options: Mapping[str, Option], missing: Sequence[str], entries: Mapping[str, LedgerEntry]
    ) -> Option | None:
        """A selected combined call that costs less than the single calls it replaces; None when there is none."""
        best: tuple[int, Option] | None = None
        for analysis in self._combined:
            option = options[analysis.name]
            fills = [name for name in missing if name in analysis.parts]
            if not fills or option.insufficient is not None or option.fingerprint in entries:
                continue
            saves = self._singles_cost(options, fills, entries) - option.cost_micro_usd
            only_way = any(name not in self._selected for name in fills)
            if (only_way or saves > 0) and (best is None or saves > best[0]):
                best = (saves, option)
        return best[1] if best else None

    def _singles_cost(
        self, options: Mapping[str, Option], names: Sequence[str], entries: Mapping[str, LedgerEntry]
    ) -> int:
        return sum(
            options[name].cost_micro_usd
            for name in names
            if options[name].insufficient is None and options[name].fingerprint not in entries
        )


def affected_by(analysis: str, known: Mapping[str, AnalysisType], combined: Iterable[AnalysisType]) -> frozenset[str]:
    """What is asked anew when an analysis changes: its parts, and all that a combined call with it fills, since a new
    version of a part is one of the whole."""
    wholes = [each for each in combined if analysis in each.parts]
    return frozenset({analysis, *known[analysis].parts, *(part for whole in wholes for part in whole.parts)})


def _answered(option: Option, entries: Mapping[str, LedgerEntry]) -> bool:
    entry = entries.get(option.fingerprint)
    return entry is not None and entry.outcome is Outcome.SUCCEEDED


def _error(option: Option, entries: Mapping[str, LedgerEntry]) -> str:
    entry = entries.get(option.fingerprint)
    return (entry.error_class or "") if entry is not None else ""


def _asked(option: Option, fills: tuple[str, ...]) -> Planned:
    return replace(
        _planned(option, Action.ASK, option.fingerprint, fills=fills),
        estimate=option.estimate,
        estimated_micro_usd=option.cost_micro_usd,
        again=option.inputs.again,
    )


def _planned(
    option: Option,
    action: Action,
    of_fingerprint: str,
    reason: str = "",
    *,
    fills: tuple[str, ...] | None = None,
) -> Planned:
    """fills: by default the analysis itself."""
    name = option.analysis.name
    filled = (name,) if fills is None else fills
    return Planned(option.inputs.manga_id, name, action, filled, of_fingerprint, reason)
