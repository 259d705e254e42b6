"""A World with a batch lane: titles, jobs of three, and the steps of op and sensor."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from manga_enrichment.domain.models.batch_jobs import BATCH_ALIAS
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.pipeline.batch.follow import Followed, Follower
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.batch.launch import BatchGateways
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.enrichment.asking.ask import Wanted
from manga_enrichment.pipeline.enrichment.asking.submit_batch import BatchLane, BatchSettings
from manga_enrichment.pipeline.enrichment.plan_run import Planning, PlanReport
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, World, provenance, put_catalog, record, report_of
from manga_enrichment_tests.fake_batch import MemoryBatch, Reaper

NAME = "genre_classification"
MODEL = load_models().resolve(BATCH_ALIAS)
MODELS = load_models({"haiku": MODEL.model_id})
DAY = f"day:{provenance().run_date}"
LONG = 1e9
"""A tick that has all the time it wants."""


@dataclass
class BatchWorld:
    """One analysis over one bucket. reaper: whoever acts through `gateways` may be killed by it."""

    titles: int = 5
    settings: BatchSettings = field(
        default_factory=lambda: BatchSettings(min_titles=2, min_records=2, records_per_job=3)
    )
    reaper: Reaper | None = None

    def __post_init__(self) -> None:
        self.world = World()
        put_catalog(self.world.tables, [record(number) for number in range(1, self.titles + 1)])
        self.batch = MemoryBatch(self.world.clock)
        self.store = BatchStore(self.world.tables)
        self.said: list[str] = []

    @property
    def gateways(self) -> BatchGateways:
        world = self.world
        whole = BatchGateways(world.tables, world.ledger, world.budget, self.batch, world.clock)
        if self.reaper is None:
            return whole
        wrapped = {name: self.reaper.wrap(getattr(whole, name)) for name in ("tables", "ledger", "budget", "batch")}
        return replace(whole, **wrapped)

    def plan(self, run_id: str = "run-1") -> PlanReport:
        planning = Planning(tables=self.world.tables, ledger=self.world.ledger, analyses=ANALYSES, models=MODELS)
        return planning.plan(run_id, [BUCKET], [NAME], self.said.append)

    def submit(self, run_id: str = "run-1", total: int | None = None) -> InvokeReport:
        lane = BatchLane(self.gateways, self.settings)
        return lane.submit(
            ANALYSES[NAME],
            MODEL,
            [BUCKET],
            provenance(run_id),
            total=self.titles if total is None else total,
            selected=[NAME],
            say=self.said.append,
        )

    def start(self, run_id: str = "run-1") -> InvokeReport:
        """Plan and submit."""
        planned = self.plan(run_id)
        return self.submit(run_id, planned.calls)

    def look(self, until: float = LONG) -> Followed:
        """One tick of the sensor."""
        return Follower(self.gateways, ANALYSES, MODELS, self.said.append).follow((), until)

    def follow(self) -> None:
        """Ticks until nothing waits."""
        for _ in range(12):
            self.world.clock.advance(600)
            if not self.look().waiting:
                return
        raise AssertionError(f"still waiting: {self.look().waiting}")

    def ask(self, run_id: str) -> InvokeReport:
        """On demand, what a run has planned."""
        wanted = [Wanted(ANALYSES[NAME], MODEL, f"{run_id}:op")]
        reports = self.world.invoking().invoke(wanted, [BUCKET], provenance(run_id), say=self.said.append)
        return report_of(reports[NAME])

    def publish(self, run_id: str = "run-2") -> dict[str, dict[str, Any]]:
        """An ordinary run: plan, ask what is left on demand, write. Returns the answers by manga_id."""
        self.plan(run_id)
        self.ask(run_id)
        self.world.writing().write(ANALYSES[NAME], BUCKET, provenance(run_id))
        return self.world.answers(NAME)

    def money(self) -> tuple[int, int]:
        """(committed, spent) micro-dollars of the day."""
        return self.world.budget.spent(DAY)

    def settlements(self) -> Mapping[str, str]:
        return {token: self.store.settlement(token).status for token in self.store.stages()}

    def wait(self, **units: float) -> None:
        self.world.clock.advance(timedelta(**units).total_seconds())
