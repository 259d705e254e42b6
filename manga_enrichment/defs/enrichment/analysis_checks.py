"""All checks of one analysis in one op: a step of a run takes longer than most of them.

Belongs here: the op, and what its checks share. Stays out: what is checked (`defs/enrichment/quality_checks.py`,
`defs/enrichment/canary_checks.py`, `defs/enrichment/cost_checks.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final
from manga_enrichment.defs.shared.tags import buckets_of_run
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.pipeline.health.table_quality import OutcomeFacts, outcome_facts


class Looking:
    """What the checks of an analysis look at. buckets: those of the run."""

    def __init__(
        self, analysis: str, tables: ObjectStore, status: StatusStore, clock: Clock, buckets: Sequence[str]
    ) -> None:
        self._analysis = analysis
        self.tables, self.status, self.clock, self.buckets = tables, status, clock, buckets

    @cached_property
    def outcomes(self) -> OutcomeFacts:
        """Read once for all that ask for them."""
        return outcome_facts(self.tables, self._analysis, self.buckets)


@dataclass(frozen=True, slots=True)
class Check:
    """look: raises what gateways raise."""

    spec: dg.AssetCheckSpec
    look: Callable[[Looking], dg.AssetCheckResult]


def build_analysis_checks(
    analysis: str, checks: Sequence[Check], all_buckets: Sequence[str]
) -> dg.AssetChecksDefinition:
    """Tried again while a store is away; a wrong setting is said at once."""

    @dg.multi_asset_check(
        name=f"check_{analysis}",
        specs=[check.spec for check in checks],
        can_subset=True,
        retry_policy=OP_RETRY_POLICY,
    )
    def check(
        context: dg.AssetCheckExecutionContext,
        tables: dg.ResourceParam[ObjectStore],
        status: dg.ResourceParam[StatusStore],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.AssetCheckResult]:
        looking = Looking(analysis, tables, status, clock, buckets_of_run(context.run.tags, all_buckets))
        wanted = [each for each in checks if each.spec.key in context.selected_asset_check_keys]
        with configuration_errors_are_final():
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
