"""All checks of one analysis, or of the wide table, in one op: a step of a run takes longer than most of them.

Belongs here: the op, and what its checks share. Stays out: what is checked (`defs/enrichment/quality_checks.py`,
`defs/enrichment/canary_checks.py`, `defs/enrichment/cost_checks.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final
from manga_enrichment.defs.shared.tags import buckets_of_run, partition_range
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.pipeline.health.daily_costs import days_until
from manga_enrichment.pipeline.health.run_costs import RunCosts, latest_run, run_costs
from manga_enrichment.pipeline.health.table_quality import CatalogIds, OutcomeFacts, outcome_facts
from manga_enrichment.runtime.garbage import rare_collections

LOG_DAYS = 31
"""How far back the latest run is looked for."""
LONGEST_RUN_DAYS = 3
"""A run is logged under the UTC day it began on, and is looked for under so many."""


class Looking:
    """What the checks of an asset look at, each thing read once for all that ask for it. buckets: those of the run.
    ids: of the run."""

    def __init__(
        self,
        asset: str,
        tables: ObjectStore,
        status: StatusStore,
        clock: Clock,
        run: dg.DagsterRun,
        all_buckets: Sequence[str],
        ids: CatalogIds,
    ) -> None:
        self._asset, self._run = asset, run
        self.tables, self.status, self.clock, self.ids = tables, status, clock, ids
        self.buckets = buckets_of_run(run.tags, all_buckets)

    @cached_property
    def outcomes(self) -> OutcomeFacts:
        return outcome_facts(self.tables, self._asset, self.buckets)

    @cached_property
    def costs(self) -> RunCosts:
        """Of this run when it asked anything or materializes, else of the latest one in the log (a checks-only run has
        no partitions)."""
        days = days_until(self.clock.now().date(), LOG_DAYS)
        own = run_costs(self.tables, self._run.run_id, days[-LONGEST_RUN_DAYS:])
        if own.calls or partition_range(self._run.tags) != ("", ""):
            return own
        latest = latest_run(self.tables, days)
        return run_costs(self.tables, latest, days) if latest else own


@dataclass(frozen=True, slots=True)
class Check:
    """look: raises what gateways raise."""

    spec: dg.AssetCheckSpec
    look: Callable[[Looking], dg.AssetCheckResult]


def build_checks(asset: str, checks: Sequence[Check], all_buckets: Sequence[str]) -> dg.AssetChecksDefinition:
    """Tried again while a store is away; a wrong setting is said at once."""

    @dg.multi_asset_check(
        name=f"check_{asset}",
        specs=[check.spec for check in checks],
        can_subset=True,
        retry_policy=OP_RETRY_POLICY,
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        tables: dg.ResourceParam[ObjectStore],
        status: dg.ResourceParam[StatusStore],
        clock: dg.ResourceParam[Clock],
        catalog_ids: dg.ResourceParam[CatalogIds],
    ) -> Iterator[dg.AssetCheckResult]:
        looking = Looking(asset, tables, status, clock, context.run, all_buckets, catalog_ids)
        wanted = [each for each in checks if each.spec.key in context.selected_asset_check_keys]
        with configuration_errors_are_final(), rare_collections():
            found = [(each.spec, each.look(looking)) for each in wanted]
        for spec, result in found:
            yield dg.AssetCheckResult(
                asset_key=spec.asset_key,
                check_name=spec.name,
                passed=result.passed,
                severity=result.severity,
                description=result.description,
                metadata=result.metadata,
            )

    return check
