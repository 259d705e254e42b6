"""Titles, catalogs and whole runs for tests, from few words.

Belongs here: what several test modules need to set a stage. Stays out: stand-ins for gateways (`fakes.py`).
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from manga_enrichment.aws.s3.catalog_source import LocalCatalog
from manga_enrichment.domain.analyses.base import AnalysisType, Candidate
from manga_enrichment.domain.catalog.records import MangaRecord, bucket_key
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import cost_micro_usd
from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.prompts.candidates import CANDIDATE_COLUMNS, candidate_of
from manga_enrichment.domain.prompts.fingerprint import content_hash, fingerprint
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.reader import read_catalog
from manga_enrichment.pipeline.catalog.tables import CATALOG_SCHEMA, batch_of, record_row
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.engine.calls import EngineSettings
from manga_enrichment.pipeline.engine.invocation import InvokeGateways, InvokeSettings
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.enrichment.asking.ask import Invoking, Wanted, Written
from manga_enrichment.pipeline.enrichment.plan_run import Planning, PlanReport
from manga_enrichment.pipeline.enrichment.write import WriteReport, Writing
from manga_enrichment.pipeline.log.read import each_row_once
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.hour_groups import read_once
from manga_enrichment.pipeline.store.object_keys import outcomes_key, table_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.fakes import (
    DEFAULT_USAGE,
    START,
    FakeClock,
    MemoryBudget,
    MemoryLedger,
    MemorySenders,
    MemoryStatus,
    MemoryTables,
    ScriptedModel,
    valid_answer,
)
from manga_enrichment_tests.health_fakes import MemoryServiceUsage
from manga_enrichment_tests.planned import read_plan

BUCKET = bucket_key(0, 1)
"""The only bucket of a catalog that has one."""

ORIGIN = Origin("run-1", START)
MODELS = load_models()
SINGLES = [name for name, analysis in ANALYSES.items() if not analysis.parts]
COMBINED = "full_enrichment"

SYNOPSIS = (
    "Two friends take over a small bookshop by the sea and find letters between the pages. "
    "One by one they look for those who wrote them, and the town begins to talk again."
)


def title_id(number: int) -> str:
    return f"MNG-{number:08d}"


def record(number: int = 1, **changes: Any) -> MangaRecord:
    """A title with enough text for every analysis."""
    title = MangaRecord(
        manga_id=title_id(number),
        title=f"The Bookshop by the Sea {number}",
        synopsis=SYNOPSIS,
        publisher_genres=("drama", "slice of life"),
        demographics=("josei",),
    )
    return replace(title, **changes)


def bare_record(number: int = 1) -> MangaRecord:
    """A title that nothing can be asked about: most rows of a real catalog."""
    return MangaRecord(manga_id=title_id(number), title=f"Untold {number}")


def candidates_of(records: Iterable[MangaRecord]) -> dict[str, tuple[Candidate, ...]]:
    """Every title with all others as candidates."""
    known = list(records)
    return {
        each.manga_id: tuple(candidate_of(other) for other in known if other.manga_id != each.manga_id)
        for each in known
    }


def model_of(analysis: AnalysisType) -> ModelSpec:
    return MODELS.resolve(analysis.model_alias)


def fingerprint_of(name: str, title: MangaRecord, candidates: Sequence[Candidate] = ()) -> str:
    analysis = ANALYSES[name]
    return fingerprint(analysis, model_of(analysis), title_inputs(analysis, title, candidates))


def provenance(run_id: str = "run-1") -> Provenance:
    return Provenance(run_id, START.date().isoformat(), "manual")


def entry(
    name: str,
    title: MangaRecord,
    candidates: Sequence[Candidate] = (),
    *,
    error_class: ErrorClass | None = None,
    run_id: str = "run-1",
    bucket: str = BUCKET,
) -> LedgerEntry:
    """What the ledger holds after one attempt: a valid answer, or a failure for good."""
    analysis = ANALYSES[name]
    model = model_of(analysis)
    prompt = build_prompt(analysis, title_inputs(analysis, title, candidates), model)
    attempt = Attempt(
        number=1,
        started_at=START,
        latency_ms=120,
        usage=DEFAULT_USAGE,
        cost_micro_usd=cost_micro_usd(DEFAULT_USAGE, model.price),
        error_class=error_class,
        stop_reason="refusal" if error_class else "tool_use",
        message="scripted" if error_class else "",
    )
    return LedgerEntry(
        fingerprint=fingerprint_of(name, title, candidates),
        outcome=Outcome.FAILED if error_class else Outcome.SUCCEEDED,
        analysis=name,
        manga_id=title.manga_id,
        bucket=bucket,
        model_id=model.model_id,
        prompt_version=analysis.version,
        provenance=provenance(run_id),
        created_at=START,
        attempts=(attempt,),
        answer=None if error_class else valid_answer(prompt),
        error_class=error_class,
    )


def catalog_table(rows: Iterable[tuple[MangaRecord, str]]) -> pa.Table:
    """Records with their content hashes, in the given order, as an import stores them."""
    return pa.Table.from_batches([batch_of((record_row(*row) for row in rows), CATALOG_SCHEMA)])


def candidates_table(rows: Iterable[tuple[str, Sequence[Candidate]]]) -> pa.Table:
    """One row per title: (manga_id, its candidates, best first), sorted by manga_id as every published table is."""
    values = [
        {
            "manga_id": manga_id,
            "candidates": [
                {"manga_id": candidate.manga_id, "title": candidate.title, "hint": candidate.hint}
                for candidate in candidates
            ],
        }
        for manga_id, candidates in sorted(rows, key=lambda row: row[0])
    ]
    return pa.Table.from_pylist(values, schema=arrow_schema(CANDIDATE_COLUMNS))


def put_catalog(tables: ObjectStore, records: Sequence[MangaRecord]) -> None:
    """A catalog of one bucket and its candidate lists, as the catalog assets leave them."""
    ordered = sorted(records, key=lambda each: each.manga_id)
    hashed = content_hash(ANALYSES.values())
    tables.write(table_key("catalog", BUCKET), catalog_table((each, hashed(each)) for each in ordered))
    tables.write(table_key("similar_candidates", BUCKET), candidates_table(candidates_of(ordered).items()))


def ids_of_bucket(tables: ObjectStore, bucket: str = BUCKET) -> set[str]:
    """Titles of a bucket of the catalog."""
    return set(read_catalog(tables, bucket, ["manga_id"]).column("manga_id").to_pylist())


def catalog_row(number: int, **changes: Any) -> dict[str, Any]:
    """A row of a source file, with enough text for every analysis."""
    title = record(number)
    row = {
        "manga_id": title.manga_id,
        "title": title.title,
        "synopsis": title.synopsis,
        "publisher_genres": list(title.publisher_genres),
        "demographics": list(title.demographics),
        "updated_at": "2026-01-01T00:00:00Z",
    }
    return {**row, **changes}


def write_source(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """A JSONL catalog."""
    path.write_text("".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def open_budget_settings(**limits: Any) -> InvokeSettings:
    return InvokeSettings(EngineSettings(concurrency=8, deadline_seconds=3600, claim_seconds=60), **limits)


def _nothing(_line: str) -> None:
    """For tests that do not listen."""


def report_of(found: InvokeReport | Exception) -> InvokeReport:
    """Raises what the engine raised."""
    if isinstance(found, Exception):
        raise found
    return found


@dataclass
class World:
    """All gateways in memory, and the steps of a run over them as the ops take them."""

    clock: FakeClock = field(default_factory=FakeClock)
    tables: MemoryTables = field(default_factory=MemoryTables)
    budget: MemoryBudget = field(default_factory=MemoryBudget)
    senders: MemorySenders = field(default_factory=MemorySenders)
    status: MemoryStatus = field(default_factory=MemoryStatus)
    service_usage: MemoryServiceUsage = field(default_factory=MemoryServiceUsage)
    analyses: Mapping[str, AnalysisType] = field(default_factory=lambda: ANALYSES)
    settings: InvokeSettings = field(default_factory=open_budget_settings)

    def __post_init__(self) -> None:
        self.ledger = MemoryLedger(self.clock, self.budget)
        self.model = ScriptedModel(self.clock)

    def open_model(self) -> FoundationModel:
        return self.model

    def resources(self, source: Path | None = None) -> dict[str, object]:
        """For `build_definitions`; source is the catalog file."""
        return {
            "clock": self.clock,
            "tables": self.tables,
            "ledger": self.ledger,
            "budget": self.budget,
            "status": self.status,
            "senders": self.senders,
            "open_model": self.open_model,
            "service_usage": self.service_usage,
            "catalog_source": LocalCatalog(str(source)),
        }

    def plan(self, run_id: str = "run-1", selected: Iterable[str] = ANALYSES) -> PlanReport:
        planning = Planning(tables=self.tables, ledger=self.ledger, analyses=self.analyses, models=MODELS)
        return planning.plan(run_id, [BUCKET], list(selected), _nothing)

    def invoke(
        self, name: str, run_id: str = "run-1", attempt: int = 0, say: Callable[[str], None] = _nothing
    ) -> InvokeReport:
        """attempt: which try of the op this is."""
        return report_of(self.invoke_all([name], run_id, attempt, say)[name])

    def invoke_all(
        self,
        names: Sequence[str],
        run_id: str = "run-1",
        attempt: int = 0,
        say: Callable[[str], None] = _nothing,
        written: Written | None = None,
    ) -> dict[str, InvokeReport | Exception]:
        """Together, as the first op of a run does."""
        planned = {name: len(read_plan(self.tables, run_id, BUCKET, [name])) for name in names}
        wanted = [
            Wanted(self.analyses[name], model_of(self.analyses[name]), f"{run_id}:{name}:{attempt}", planned[name])
            for name in names
        ]
        return self.invoking().invoke(wanted, [BUCKET], provenance(run_id), say=say, written=written)

    def invoking(self) -> Invoking:
        gateways = InvokeGateways(self.ledger, self.budget, self.senders, self.open_model, self.clock)
        return Invoking(tables=self.tables, gateways=gateways, settings=self.settings)

    def write(self, name: str, run_id: str = "run-1") -> WriteReport:
        analysis = self.analyses[name]
        if analysis.parts:
            return self.writing().write_log(analysis, BUCKET, provenance(run_id))
        return self.writing().write(analysis, BUCKET, provenance(run_id))

    def writing(self) -> Writing:
        return Writing(
            tables=self.tables, ledger=self.ledger, status=self.status, clock=self.clock, analyses=self.analyses
        )

    def run(self, run_id: str = "run-1", selected: Iterable[str] = ANALYSES) -> None:
        """Plan, ask and write everything."""
        names = list(selected)
        self.plan(run_id, names)
        for name in names:
            self.invoke(name, run_id)
        for name in names:
            self.write(name, run_id)

    def rows(self, key: str) -> list[dict[str, Any]]:
        stored = self.tables.read(key)
        return stored.table.to_pylist() if stored else []

    def answers(self, name: str) -> dict[str, dict[str, Any]]:
        """Rows of an analysis' table by manga_id; fails on a title with two rows."""
        rows = self.rows(table_key(name, BUCKET))
        by_id = {row["manga_id"]: row for row in rows}
        assert len(by_id) == len(rows)
        return by_id

    def outcomes(self, name: str) -> dict[str, dict[str, Any]]:
        """Rows of the outcomes table by manga_id."""
        return {row["manga_id"]: row for row in self.rows(outcomes_key(name, BUCKET))}

    def log(self) -> list[dict[str, Any]]:
        """The whole requests log, as its readers see it."""
        tables = read_once(self.tables, "enrichment/requests/", each_row_once)
        return [row for table in tables for row in table.to_pylist()]

    def logged_cost_micro_usd(self) -> int:
        return sum(row["cost_micro_usd"] for row in self.log())
