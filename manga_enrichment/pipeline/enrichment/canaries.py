"""Canaries of the catalog's analyses: which there are, whether one has asked all its titles, and the verdict.

Belongs here: reading both sides from the tables. Stays out: the tests (`domain/trials/drift.py`), holding titles back
(`planner.py`).

Both sides are drawn by hash from the same catalog: titles of the canary with an answer of the new version, and all
others with the answers that they keep. A verdict waits until each title of the canary has an outcome: after a budget
stop, the brake or a killed run there is none.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.trials.canary import LEAST_TITLES, Canary, CanaryState
from manga_enrichment.domain.trials.drift import Finding, find_drift
from manga_enrichment.gateways.objects import TableReader
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.pipeline.store.object_keys import outcomes_key, table_key

Identity = tuple[str, str, str]
"""(via, version, model id) of a row."""


@dataclass(slots=True)
class Sides:
    """One table beside itself. before: rows of titles that keep their old answers; after: of the canary, anew.
    missing: titles without a row, likewise. waiting: titles of the canary that have no outcome yet, by why."""

    before: list[dict[str, Any]] = field(default_factory=list)
    after: list[dict[str, Any]] = field(default_factory=list)
    missing: list[int] = field(default_factory=lambda: [0, 0])
    waiting: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Verdict:
    """canary: as it is now. said: in a sentence. findings: of each table, where it was judged. is_too_small: it will
    never be, with its share."""

    canary: Canary
    said: str
    findings: tuple[tuple[str, Finding], ...] = ()
    is_too_small: bool = False


def open_canaries(status: StatusStore, analyses: Collection[str]) -> list[Canary]:
    """Those that have not passed. Raises StoreUnavailableError."""
    found = (status.canary(name) for name in analyses)
    return [canary for canary in found if canary is not None and canary.state is not CanaryState.PASSED]


def is_in_force(canary: Canary, analyses: Mapping[str, AnalysisType], models: ModelCatalog) -> bool:
    """Whether it is about what a night would ask today."""
    analysis = analyses.get(canary.analysis)
    if analysis is None:
        return False
    return (analysis.version, models.asked_for(analysis.name, analysis.model_alias).model_id) == canary.identity


def judge(
    canary: Canary,
    tables: TableReader,
    buckets: Sequence[str],
    analyses: Mapping[str, AnalysisType],
    models: ModelCatalog,
) -> Verdict:
    """canary: in force and asking. Reads all buckets of the tables that its analysis fills."""
    parts, sides = _parts_and_sides(canary, tables, buckets, analyses, models)
    waiting = sum((each.waiting for each in sides.values()), Counter[str]())
    if waiting:
        why = ", ".join(f"{count} {name}" for name, count in sorted(waiting.items()))
        return Verdict(canary, f"answers of the canary are missing ({why}): it is judged when they are there")
    fewest = min(min(len(each.before), len(each.after) + each.missing[1]) for each in sides.values())
    if fewest < LEAST_TITLES:
        said = f"{fewest} titles are too few to judge, {LEAST_TITLES} are needed: promote again with a larger --canary"
        return Verdict(canary, said, is_too_small=True)
    findings = tuple(
        (part.name, finding)
        for part in parts
        for side in [sides[part.name]]
        for finding in find_drift(
            part.columns, side.before, side.after, (side.missing[0], side.missing[1]), canary.most_drift
        )
    )
    judged = canary.judged([finding for _, finding in findings])
    return Verdict(judged, judged.said, findings)


def _parts_and_sides(
    canary: Canary,
    tables: TableReader,
    buckets: Sequence[str],
    analyses: Mapping[str, AnalysisType],
    models: ModelCatalog,
) -> tuple[list[AnalysisType], dict[str, Sides]]:
    """(analyses whose tables are filled, sides by their names)"""
    analysis, known = analyses[canary.analysis], analyses.values()
    parts = [analyses[name] for name in analysis.parts] or [analysis]
    counting = _identities(models, [each for each in known if each is analysis or analysis.name in each.parts])
    sides = {}
    for part in parts:
        current = _identities(models, [each for each in known if part.name in (each.name, *each.parts)])
        sides[part.name] = _sides(canary, part.name, tables, buckets, counting, current - counting)
    return parts, sides


def _identities(models: ModelCatalog, analyses: Iterable[AnalysisType]) -> set[Identity]:
    """Of rows that these give today."""
    return {(each.name, each.version, models.asked_for(each.name, each.model_alias).model_id) for each in analyses}


def _sides(
    canary: Canary,
    part: str,
    tables: TableReader,
    buckets: Sequence[str],
    counting: Collection[Identity],
    beside: Collection[Identity],
) -> Sides:
    """beside: of rows that stay current, as a single call's do when the combined one changes; on no side."""
    sides = Sides()
    for bucket in buckets:
        rows = {row["manga_id"]: row for row in _rows(tables, table_key(part, bucket))}
        for outcome in _rows(tables, outcomes_key(part, bucket)):
            row = rows.get(outcome["manga_id"])
            if row is None or _identity(row) not in beside:
                _place(sides, canary, outcome, row, counting)
    return sides


def _place(
    sides: Sides,
    canary: Canary,
    outcome: Mapping[str, Any],
    row: dict[str, Any] | None,
    counting: Collection[Identity],
) -> None:
    """Put one title on its side."""
    if outcome["outcome"] == Outcome.INSUFFICIENT_INPUT.value:
        return
    is_new = row is not None and _identity(row) in counting
    if not canary.has(outcome["manga_id"]):
        if row is None:
            sides.missing[0] += 1
        elif not is_new:
            sides.before.append(row)
    elif row is not None and is_new:
        sides.after.append(row)
    elif outcome["outcome"] == Outcome.FAILED.value:
        sides.missing[1] += 1
    else:
        sides.waiting[outcome["error_class"] or "not asked yet"] += 1


def _identity(row: Mapping[str, Any]) -> Identity:
    return row["via"], row["prompt_version"], row["model_id"]


def _rows(tables: TableReader, key: str) -> Iterator[dict[str, Any]]:
    stored = tables.read(key)
    return iter(()) if stored is None else iter(stored.table.to_pylist())
