"""`partner_results`: the answers to partners' requests, and the job that gives them.

A run works at the requests of one unit, which the sensor claimed. An invoke op of an analysis that nobody wants is
skipped and takes no place in the pool.

Belongs here: asset and job. Stays out: the order of the steps (`pipeline/partner/run_steps.py`), the ops
(`defs/partner/ops.py`).
"""

from typing import Any

import dagster as dg

from manga_enrichment.defs.partner.ops import (
    asked_names,
    build_collect_op,
    build_open_op,
    build_partner_invoke_op,
    build_partner_plan_op,
    build_settle_op,
)
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.names import OWNERS, PARTNER_RESULTS
from manga_enrichment.defs.shared.partitions import utc_days
from manga_enrichment.defs.shared.tables import columns_shown
from manga_enrichment.defs.shared.tags import MAX_RETRIES_TAG, PARTNER_LANE
from manga_enrichment.domain.requests.result_rows import PARTNER_RESULT_COLUMNS
from manga_enrichment.pipeline.partner.run_steps import in_order

PARTNER_JOB = "partner_batch_job"


def build_partner_results(inputs: DefinitionInputs) -> dg.AssetsDefinition:
    ops = _Ops(inputs)
    out = dg.AssetOut(
        key=PARTNER_RESULTS,
        is_required=False,
        description="Answers to partners' requests: one Parquet object and one JSON document per request.",
        kinds={"bedrock", "parquet", "s3"},
        owners=OWNERS,
        metadata=columns_shown(PARTNER_RESULT_COLUMNS),
    )

    @dg.graph_multi_asset(
        name=PARTNER_RESULTS, group_name="partners", outs={PARTNER_RESULTS: out}, partitions_def=utc_days()
    )
    def partner_results() -> dict[str, Any]:
        return {PARTNER_RESULTS: in_order(ops)}

    return partner_results


class _Ops:
    """The steps as ops of a graph: each hands its output to the next."""

    def __init__(self, inputs: DefinitionInputs) -> None:
        self.open = build_open_op()
        self._plan = build_partner_plan_op(inputs)
        self._invoke = {name: build_partner_invoke_op(name, inputs) for name in asked_names(inputs)}
        self._collect = build_collect_op()
        self.settle = build_settle_op(inputs)

    def plan(self, opened: Any) -> tuple[Any, dict[str, Any]]:
        outputs = self._plan(opened)
        return outputs.planned, {name: getattr(outputs, name) for name in self._invoke}

    def ask(self, analysis: str, opened: Any) -> Any:
        return self._invoke[analysis](opened)

    def collect(self, opened: Any, asked: list[Any]) -> Any:
        # In one list: an op is skipped when all that it collects was, and a run may need no call at all.
        return self._collect([opened, *asked])


def build_partner_job() -> Any:
    """An unresolved asset job; Dagster does not export its type.

    Dagster does not retry its runs: a killed run's requests are delivered again, to a run of their own.
    """
    return dg.define_asset_job(
        PARTNER_JOB,
        selection=dg.AssetSelection.assets(PARTNER_RESULTS),
        description="Answer the requests of one work unit; the sensors launch it.",
        tags={**PARTNER_LANE, MAX_RETRIES_TAG: "0"},
    )
