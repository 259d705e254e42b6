"""Putting the brake on and taking it off, as command line and UI do it.

Belongs here: what each says of it, and of the batch jobs that it does not reach. Stays out: what runs do about it
(`pipeline/engine/money/brake_watch.py`), the row (`gateways/budget.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.gateways.batch import BatchInference
from manga_enrichment.gateways.budget import Brake, BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.running_jobs import RunningJob, running_jobs

LONGEST_REASON = 500
OFF = "the brake is off"


@dataclass(frozen=True, slots=True)
class BrakeReport:
    """brake: that stands; None: it is off. was: that stood before. jobs: that Bedrock works at all the same."""

    brake: Brake | None
    was: Brake | None = None
    jobs: Sequence[RunningJob] = ()

    def sentences(self) -> list[str]:
        if self.brake is not None and self.was is not None:
            head = f"{self.was.sentence()} (it was on before; that reason stays)"
        elif self.brake is not None:
            head = self.brake.sentence()
        elif self.was is not None:
            head = f"{OFF}; it was on since {self.was.since.isoformat(timespec='seconds')}: {self.was.because}"
        else:
            head = OFF
        return [head, *self._of_jobs()]

    def _of_jobs(self) -> list[str]:
        left = [job for job in self.jobs if not job.is_stopped]
        said = [job.sentence() for job in self.jobs]
        if left and self.brake is not None:
            at_most = usd(sum(job.at_most_micro_usd for job in left))
            said.append(f"{len(left)} batch jobs go on, for at most {at_most:.6f} USD; --stop-jobs stops them")
        return said


class BrakeHandle:
    """What people pull and let go of. jobs are looked for with `tables` and `batch`."""

    def __init__(self, budget: BudgetStore, tables: ObjectStore, batch: BatchInference, clock: Clock) -> None:
        self._budget = budget
        self._tables = tables
        self._batch = batch
        self._clock = clock

    def on(self, because: str, *, stop_jobs: bool = False) -> BrakeReport:
        """The brake first, then the jobs. Raises ConfigurationError for a reason that says nothing; StoreUnavailable.

        On already, it stays as it was, and the jobs are looked at all the same.
        """
        reason = " ".join(because.split())
        if not reason or len(reason) > LONGEST_REASON:
            raise ConfigurationError(f"The brake needs a reason of 1 to {LONGEST_REASON} characters: say why it is on")
        wanted = Brake(reason, self._clock.now())
        stands = self._budget.put_brake_on(wanted)
        jobs = running_jobs(self._tables, self._batch, stop=stop_jobs)
        return BrakeReport(stands, None if stands == wanted else stands, jobs)

    def off(self) -> BrakeReport:
        return BrakeReport(None, self._budget.take_brake_off())

    def status(self) -> BrakeReport:
        return BrakeReport(self._budget.brake(), None, running_jobs(self._tables, self._batch))
