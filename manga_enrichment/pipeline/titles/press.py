"""Having titles asked again: what that would take, and the numbers that make it so.

Belongs here: which titles are meant, who is given a number, the calls that follow. Stays out: keeping numbers
(`pipeline/again/store.py`), asking (`ask_again.py`).

A number is given where today's question has been settled: it has its answer, or failed for good. What is to be asked
anyway, or waits for a batch job or a canary, needs none; that somebody wanted it is noted all the same. So two who
press at once, or one who presses twice, have one call made.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate
from manga_enrichment.domain.catalog.records import MangaRecord, bucket_of
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.specs import ModelCatalog, ModelSpec
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.prompts.again import next_number
from manga_enrichment.domain.trials.canary import Canary
from manga_enrichment.gateways.ledger import EntryReader
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.again.store import Press, Presses, add_presses, read_presses
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.catalog.reader import check_bucket_count
from manga_enrichment.pipeline.editing.editing import MOST_CHARACTERS
from manga_enrichment.pipeline.enrichment.bucket_slices import BucketTables
from manga_enrichment.pipeline.enrichment.calibrations import read_calibrations
from manga_enrichment.pipeline.enrichment.plan_run import adding_up, known_of, with_cache_writes
from manga_enrichment.pipeline.enrichment.planner import Action, Planned, Planner
from manga_enrichment.pipeline.enrichment.why_asked import WhyAsked

_SHOWN = 3
_WORDS = {
    Action.ASK: "is asked",
    Action.USE_LEDGER: "has a new answer, which goes into the table",
    Action.INSUFFICIENT: "has too little text",
    Action.FAILED_BEFORE: "failed for good after it was asked again for the same reason",
    Action.PENDING: "waits for a batch job that asks it",
    Action.HELD: "waits for a canary",
}
_BEFORE = "was asked again for the same reason before"


class AgainError(ConfigurationError):
    """What cannot be asked again, and what to do about it, in a sentence."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Of a person. analysis: that may be a combined one. by: as the team calls them. because: for all who look later;
    the same words about the same title are the same wish, however they are spaced."""

    analysis: AnalysisType
    manga_ids: tuple[str, ...]
    by: str
    because: str

    def __post_init__(self) -> None:
        """Raises AgainError."""
        if not self.manga_ids:
            raise AgainError("No title is named: say which, by ids, a file of ids or a query that finds some")
        for name, most in MOST_CHARACTERS.items():
            text = " ".join(getattr(self, name).split())
            if not text:
                raise AgainError(f"`{name}` is missing: who looks at the answers later wants to know")
            if len(text) > most:
                raise AgainError(f"`{name}` has {len(text)} characters: say it in {most}")
            object.__setattr__(self, name, text)


@dataclass(frozen=True, slots=True)
class TitleAgain:
    """One title. said: what becomes of it. calls, estimated_micro_usd: that are made about it."""

    manga_id: str
    title: str
    said: str
    calls: int
    estimated_micro_usd: int


@dataclass(slots=True)
class AgainPlan:
    """planned: by bucket, in the catalog's order, with the reason that the log will have."""

    wish: Wish
    titles: list[TitleAgain] = field(default_factory=list)
    planned: dict[str, list[Planned]] = field(default_factory=dict)

    @property
    def calls(self) -> Counter[str]:
        """By the analysis that is asked."""
        items = (item for own in self.planned.values() for item in own)
        return Counter(item.analysis for item in items if item.action is Action.ASK)

    @property
    def estimated_micro_usd(self) -> int:
        return sum(each.estimated_micro_usd for each in self.titles)

    def sentence(self) -> str:
        calls = ", ".join(f"{count} of {name}" for name, count in sorted(self.calls.items()))
        others = Counter(each.said for each in self.titles if not each.calls)
        not_asked = "".join(f"; {count}: {words}" for words, count in others.items())
        return (
            f"{len(self.titles)} titles, {self.calls.total()} calls{f' ({calls})' if calls else ''}, about "
            f"{usd(self.estimated_micro_usd):.6f} USD{not_asked}"
        )


@dataclass(frozen=True, slots=True)
class _Bucket:
    """What questions about the wanted titles of one bucket follow from."""

    key: str
    records: Sequence[MangaRecord]
    candidates: Mapping[str, Sequence[Candidate]]
    current: Mapping[str, Mapping[str, str]]


class Pressing:
    """Of what nights ask: the analyses of the catalog, the night's models."""

    def __init__(
        self,
        *,
        tables: ObjectStore,
        ledger: EntryReader,
        analyses: Mapping[str, AnalysisType],
        models: ModelCatalog,
        bucket_count: int,
        canaries: Collection[Canary] = (),
    ) -> None:
        self.analyses = analyses
        self.models = {name: models.asked_for(name, each.model_alias) for name, each in analyses.items()}
        self._tables, self._ledger = tables, ledger
        self._bucket_count, self._canaries = bucket_count, canaries

    def plan(self, wish: Wish, now: datetime) -> AgainPlan:
        """What `press` would come to. Raises AgainError for titles that the catalog does not have, ConfigurationError
        without a catalog."""
        return self._planned(wish, now, is_kept=False)

    def press(self, wish: Wish, now: datetime) -> AgainPlan:
        """Keep the numbers; the calls that are to be made then. Done twice, it changes nothing. Raises as `plan`, and
        WriteConflictError."""
        return self._planned(wish, now, is_kept=True)

    def _planned(self, wish: Wish, now: datetime, *, is_kept: bool) -> AgainPlan:
        check_bucket_count(self._tables, self._bucket_count)
        buckets = list(self._buckets(wish))
        self._check(wish, buckets)
        calibrations = read_calibrations(self._tables, self.models)
        pending = BatchStore(self._tables).pending([bucket.key for bucket in buckets])
        planner = Planner(self.analyses, self.models, [wish.analysis.name], calibrations, pending, list(self._canaries))
        found, unwritten = AgainPlan(wish), set(self.analyses)
        for bucket in buckets:
            presses = self._presses(wish, now, planner, bucket, is_kept=is_kept)
            told = WhyAsked(self._tables, bucket.key, self.analyses, self.models, presses)
            items = told.told(self._questions(planner, bucket, presses))
            found.planned[bucket.key] = list(with_cache_writes(items, self.models, unwritten))
            found.titles += _titles(bucket, found.planned[bucket.key], self.models, calibrations)
        return found

    def _buckets(self, wish: Wish) -> Iterator[_Bucket]:
        singles = [name for name, each in self.analyses.items() if not each.parts]
        wanted: dict[str, set[str]] = {}
        for manga_id in wish.manga_ids:
            wanted.setdefault(bucket_of(manga_id, self._bucket_count), set()).add(manga_id)
        for key, own in sorted(wanted.items()):
            stored, ids = BucketTables(self._tables, key, singles), pa.array(sorted(own), pa.string())
            current = {name: known_of(ids, column) for name, column in stored.fingerprints(ids).items()}
            yield _Bucket(key, *stored.titles(ids), current)

    def _check(self, wish: Wish, buckets: Sequence[_Bucket]) -> None:
        unknown = sorted(set(wish.manga_ids) - {each.manga_id for bucket in buckets for each in bucket.records})
        if unknown:
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            raise AgainError(
                f"The catalog has no title {', '.join(unknown[:_SHOWN])}{more}: `manga-enrichment find` looks for one. "
                "Nothing was asked"
            )

    def _presses(self, wish: Wish, now: datetime, planner: Planner, bucket: _Bucket, *, is_kept: bool) -> Presses:
        def wanted(known: Presses) -> list[Press]:
            return list(self._new(wish, now, planner, bucket, known))

        if is_kept:
            return add_presses(self._tables, bucket.key, wanted)
        known = read_presses(self._tables, bucket.key)
        return Presses((*known.rows, *wanted(known)))

    def _new(self, wish: Wish, now: datetime, planner: Planner, bucket: _Bucket, known: Presses) -> Iterator[Press]:
        """A number for what is settled under those that are known; a note for what is to be asked anyway."""
        actions = {
            (item.manga_id, name): item.action
            for item in self._questions(planner, bucket, known)
            for name in item.fills
        }
        for record in bucket.records:
            numbers = known.of(record.manga_id)
            for name in planner.wanted:
                action = actions.get((record.manga_id, name))
                if action is Action.INSUFFICIENT or known.has(record.manga_id, name, wish.because):
                    continue
                is_settled = action is None or action is Action.FAILED_BEFORE
                number = next_number(numbers) if is_settled else numbers.get(name, 0)
                yield Press(record.manga_id, name, number, wish.analysis.name, wish.by, now, wish.because)

    def _questions(self, planner: Planner, bucket: _Bucket, presses: Presses) -> list[Planned]:
        told = bucket.records, bucket.candidates, bucket.current, self._ledger.get_many
        return list(planner.plan(*told, again=presses.numbers))


def _titles(
    bucket: _Bucket,
    planned: Sequence[Planned],
    models: Mapping[str, ModelSpec],
    calibrations: Mapping[str, Calibration],
) -> Iterator[TitleAgain]:
    """In the catalog's order, with estimates that add up."""
    by_title: dict[str, list[Planned]] = {}
    for item in adding_up(planned, models, calibrations):
        by_title.setdefault(item.manga_id, []).append(item)
    for record in bucket.records:
        own = by_title.get(record.manga_id, [])
        calls = [item for item in own if item.action is Action.ASK]
        cost = sum(item.estimated_micro_usd for item in calls)
        yield TitleAgain(record.manga_id, record.title, _said(own), len(calls), cost)


def _said(planned: Sequence[Planned]) -> str:
    """The first of the actions that it has, in the order of the words."""
    actions = {item.action for item in planned if item.fills}
    return next((words for action, words in _WORDS.items() if action in actions), _BEFORE)
