"""Follow every batch job on record one step further: launch, wait, collect.

Belongs here: one bounded look at all jobs, as the sensor takes it. Stays out: Dagster (`defs/batch/sensor.py`).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import Stage, has_ended
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.gateways.errors import BatchUnavailableError, StoreUnavailableError, WriteConflictError
from manga_enrichment.pipeline.batch.collect import Collector
from manga_enrichment.pipeline.batch.job_store import BatchJob, BatchStore
from manga_enrichment.pipeline.batch.launch import BatchGateways, Launcher

LAUNCH_GRACE = timedelta(minutes=5)
"""For a job that its run is probably still launching."""


@dataclass(slots=True)
class Followed:
    """One look. settled: every settled job still on record; waiting: status of jobs that go on, by token."""

    settled: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)


class Follower:
    def __init__(
        self,
        gateways: BatchGateways,
        analyses: Mapping[str, AnalysisType],
        models: ModelCatalog,
        say: Callable[[str], None],
    ) -> None:
        self._to = gateways
        self._say = say
        self._store = BatchStore(gateways.tables)
        self._launcher = Launcher(gateways, say)
        self._collector = Collector(gateways, analyses, models)

    def follow(self, known: Collection[str], until: float) -> Followed:
        """Look at all jobs until the monotonic second `until`; the rest has its turn at the next look.

        known: tokens of jobs that the caller knows to be settled. A job that fails does not keep the others waiting.
        """
        seen = Followed()
        for token, stage in self._store.stages().items():
            if token in known or stage is Stage.SETTLED:
                seen.settled.append(token)
            elif self._to.clock.monotonic_seconds() >= until:
                seen.waiting[token] = "not looked at yet"
            else:
                self._step(token, stage, seen, until)
        return seen

    def _step(self, token: str, stage: Stage, seen: Followed, until: float) -> None:
        job = self._store.job(token)
        try:
            waits = self._launch(job) if stage is Stage.PREPARED else self._collect(job, until)
        except (BatchUnavailableError, StoreUnavailableError, WriteConflictError, ConfigurationError) as error:
            waits = f"{type(error).__name__}: {error}"
            self._say(f"batch job {job.name}: {waits}")
        if waits and not self._store.is_settled(token):
            seen.waiting[token] = waits
        else:
            seen.settled.append(token)

    def _launch(self, job: BatchJob) -> str:
        if self._to.clock.now() - job.prepared_at >= LAUNCH_GRACE:
            self._launcher.launch(job)
        return "prepared"

    def _collect(self, job: BatchJob, until: float) -> str:
        """What it waits for; "" when it is settled."""
        state = self._to.batch.state(self._store.submission(job.token).job_id)
        if not has_ended(state.status):
            return state.status
        settlement = self._collector.collect(job, state, until)
        if settlement is None:
            return f"{state.status}, being collected"
        counts = ", ".join(f"{count} {name}" for name, count in sorted(settlement.records.items()))
        self._say(
            f"batch job {job.name} {settlement.status}: {counts}, {settlement.cost_micro_usd / 1e6:.6f} USD"
            + (f" ({settlement.message})" if settlement.message else "")
        )
        return ""
