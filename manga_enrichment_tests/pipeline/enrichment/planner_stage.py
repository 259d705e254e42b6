"""One bucket before planning: its titles, what their tables hold and what the ledger knows of them.

Belongs here: what the tests of the planner set a stage with. Stays out: what is expected of it (`test_planner.py`,
`test_plans_in_whole.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.pipeline.engine.build_call import Question
from manga_enrichment.pipeline.enrichment.planner import Planned, Planner
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    COMBINED,
    SINGLES,
    candidates_of,
    entry,
    fingerprint_of,
    model_of,
    record,
)

MODEL_BY_NAME = {name: model_of(analysis) for name, analysis in ANALYSES.items()}

STATES = ("missing", "current", "current by combined", "in ledger", "failed")


@dataclass(frozen=True)
class Stage:
    """One bucket before planning."""

    records: list[MangaRecord]
    candidates: Mapping[str, Sequence[Candidate]]
    current: Mapping[str, Mapping[str, str]]
    entries: Mapping[str, LedgerEntry]

    def plan(self, selected: Iterable[str] = ANALYSES) -> list[Planned]:
        planner = Planner(ANALYSES, MODEL_BY_NAME, list(selected))
        return list(planner.plan(self.records, self.candidates, self.current, self.lookup))

    def lookup(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        return {each: self.entries[each] for each in fingerprints if each in self.entries}

    def is_current(self, title: MangaRecord, name: str) -> bool:
        shown = self.candidates[title.manga_id]
        good = {fingerprint_of(name, title, shown), fingerprint_of(COMBINED, title, shown)}
        return self.current[name].get(title.manga_id) in good

    def is_sufficient(self, title: MangaRecord, name: str) -> bool:
        analysis = ANALYSES[name]
        return analysis.sufficient(title_inputs(analysis, title, self.candidates[title.manga_id])) is None

    def cost_of(self, title: MangaRecord, name: str) -> int:
        analysis, model = ANALYSES[name], MODEL_BY_NAME[name]
        inputs = title_inputs(analysis, title, self.candidates[title.manga_id])
        return Question(analysis, model, inputs).cost_micro_usd


def stage(
    titles: Sequence[MangaRecord],
    states: Mapping[tuple[str, str], str] | None = None,
    extra: Sequence[LedgerEntry] = (),
) -> Stage:
    """states: (manga_id, analysis) -> one of STATES; what is not named is missing."""
    candidates = candidates_of([*titles, record(90), record(91), record(92), record(93)])
    current: dict[str, dict[str, str]] = {name: {} for name in SINGLES}
    entries = {each.fingerprint: each for each in extra}
    for title in titles:
        shown = candidates[title.manga_id]
        for name in ANALYSES:
            state = (states or {}).get((title.manga_id, name), "missing")
            if state == "current" and name in current:
                current[name][title.manga_id] = fingerprint_of(name, title, shown)
            elif state == "current by combined" and name in current:
                current[name][title.manga_id] = fingerprint_of(COMBINED, title, shown)
            elif state in {"in ledger", "failed"}:
                error_class = ErrorClass.REFUSAL if state == "failed" else None
                kept = entry(name, title, shown, error_class=error_class)
                entries[kept.fingerprint] = kept
    return Stage(list(titles), candidates, current, entries)
