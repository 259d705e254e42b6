"""What follows from a promotion: what nights will ask, and the canary that comes first.

Belongs here: the forecast, starting a canary. Stays out: the files that are changed (`domain/trials/promotion.py`,
`cli/promote.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.trials.canary import LEAST_TITLES, Canary
from manga_enrichment.domain.trials.contenders import Contender, TrialError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.enrichment.plan_run import Planning, PlanReport
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.store.object_keys import table_key


@dataclass(frozen=True, slots=True)
class Promotion:
    """analyses, models: as they are once the change is in force."""

    contender: Contender
    analyses: Mapping[str, AnalysisType]
    models: ModelCatalog

    def check(self) -> None:
        """Raises TrialError where a night would ask something else than what was tried."""
        name = self.contender.analysis.name
        promoted = self.analyses[name]
        model = self.models.asked_for(name, promoted.model_alias)
        if (promoted.version, model.model_id) != self.contender.identity:
            raise TrialError(
                f"A night would ask version {promoted.version} of {name} of {model.model_id}, not version "
                f"{self.contender.identity[0]} of {self.contender.identity[1]}: name the model, too (--model)"
            )

    def forecast(
        self,
        tables: ObjectStore,
        ledger: ResultLedger,
        buckets: Sequence[str],
        canaries: Sequence[Canary],
        say: Callable[[str], None] = lambda _line: None,
    ) -> PlanReport:
        """The next night, which is planned and not started. Raises ConfigurationError without a catalog."""
        planning = Planning(tables=tables, ledger=ledger, analyses=self.analyses, models=self.models, canaries=canaries)
        return planning.plan(f"promote-{uuid4()}", buckets, list(self.analyses), say)

    def canary(
        self,
        tables: ObjectStore,
        buckets: Sequence[str],
        percent: float,
        now: datetime,
        may_drift: Sequence[str] = (),
    ) -> Canary | None:
        """None where there are no answers yet that it could be held against. Raises TrialError for one that would be
        too small, and for columns that there are not."""
        analysis = self.contender.analysis
        parts = [self.analyses[name] for name in analysis.parts] or [analysis]
        known = [column.name for part in parts for column in part.columns]
        unknown = [name for name in may_drift if name not in known]
        if unknown:
            raise TrialError(f"{', '.join(unknown)} is no field of {analysis.name}; fields are {', '.join(known)}")
        canary = Canary(analysis.name, *self.contender.identity, percent, now, may_drift=tuple(may_drift))
        sides = [_sides(canary, tables, part.name, buckets) for part in parts]
        if not any(map(sum, sides)):
            return None
        own, others = min(sides, key=min)
        if min(own, others) < LEAST_TITLES:
            raise TrialError(
                f"{percent:g} % are {own} of {own + others} answered titles: a canary needs {LEAST_TITLES}, and as "
                "many beside it; take another --canary, or 0 for none"
            )
        return canary


def forecast_sentences(report: PlanReport) -> list[str]:
    """What the night will do, by analysis."""
    found = []
    for name, part in report.analyses.items():
        known, held = (part.actions.get(action.value, 0) for action in (Action.USE_LEDGER, Action.HELD))
        if part.calls or known or held:
            found.append(
                f"{name}: {part.calls} calls, about USD {usd(part.estimated_micro_usd):.6f}; "
                f"{known} answers are in the ledger, {held} titles wait for the canary"
            )
    return found


def _sides(canary: Canary, tables: ObjectStore, table: str, buckets: Sequence[str]) -> tuple[int, int]:
    """(titles of the canary, others) that have an answer today."""
    own = others = 0
    for bucket in buckets:
        stored = tables.read(table_key(table, bucket), ["manga_id"])
        if stored is not None:
            ids = stored.table.column("manga_id").to_pylist()
            mine = sum(map(canary.has, ids))
            own, others = own + mine, others + len(ids) - mine
    return own, others
