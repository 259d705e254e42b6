"""`enrichment_report`: one HTML file for people, and its summary with pictures in the UI.

Belongs here: the asset, its job and schedule. Stays out: all that the report says (`pipeline/report/make.py`).
"""

from typing import Any

import dagster as dg

from manga_enrichment.defs.queues.assets import DEAD_LETTERS_ASSET, REQUEST_QUEUES_ASSET
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.names import HEALTH_GROUP, OWNERS
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final
from manga_enrichment.defs.shared.tags import HEALTH_LANE
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.enrichment.wide_table import TABLE as ENRICHED_TABLE
from manga_enrichment.pipeline.health.daily_costs import TABLE as COSTS_TABLE
from manga_enrichment.pipeline.health.table_quality import coverage
from manga_enrichment.pipeline.report.facts import ReportFacts
from manga_enrichment.pipeline.report.figures import keep_figures
from manga_enrichment.pipeline.report.links import Links
from manga_enrichment.pipeline.report.make import make_report
from manga_enrichment.pipeline.report.tiles import figures_of
from manga_enrichment.pipeline.store.object_keys import report_key

REPORT_ASSET = "enrichment_report"
REPORT_JOB = "report_enrichment"


def build_enrichment_report(inputs: DefinitionInputs) -> dg.AssetsDefinition:
    @dg.asset(
        retry_policy=OP_RETRY_POLICY,
        name=REPORT_ASSET,
        deps=[ENRICHED_TABLE, COSTS_TABLE, REQUEST_QUEUES_ASSET, DEAD_LETTERS_ASSET],
        group_name=HEALTH_GROUP,
        description="What needs a hand, what the catalog says, coverage, cost, speed, queues, failures: one page.",
        kinds={"html", "s3"},
        owners=OWNERS,
        tags=HEALTH_LANE,
    )
    @configuration_errors_are_final()
    def enrichment_report(
        context: dg.AssetExecutionContext,
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult[None]:
        from manga_enrichment.pipeline.report.page import report_html  # noqa: PLC0415 (its charts are heavy to load)

        facts = _facts(context.run.run_id, inputs, tables, ledger, budget, clock)
        links = Links(inputs.settings.dagster_url, inputs.settings.browse_url)
        tables.write_text(report_key(), report_html(facts, links), content_type="text/html")
        keep_figures(tables, facts.made_at.date(), figures_of(facts))
        return dg.MaterializeResult(metadata={**report_metadata(facts), "uri": tables.uri(report_key())})

    return enrichment_report


def _facts(
    run_id: str,
    inputs: DefinitionInputs,
    tables: ObjectStore,
    ledger: ResultLedger,
    budget: BudgetStore,
    clock: Clock,
) -> ReportFacts:
    return make_report(
        run_id,
        tables=tables,
        ledger=ledger,
        budget=budget,
        clock=clock,
        analyses=inputs.analyses,
        models=inputs.models,
        settings=inputs.settings,
    )


def build_report_job() -> Any:
    """An unresolved asset job; Dagster does not export its type."""
    return dg.define_asset_job(
        REPORT_JOB,
        selection=dg.AssetSelection.assets(REPORT_ASSET),
        description="Make the report anew. Asks no model.",
        tags=HEALTH_LANE,
    )


def build_report_schedule() -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=REPORT_JOB,
        job_name=REPORT_JOB,
        cron_schedule="20 6 * * *",
        execution_timezone="Asia/Tokyo",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning at 06:20 in Tokyo, after the night.",
    )


def report_metadata(facts: ReportFacts) -> dict[str, Any]:
    """Numbers the UI plots over the reports, and the summary."""
    from manga_enrichment.pipeline.report.page import report_summary  # noqa: PLC0415

    forecast = facts.forecast or ()
    return {
        "summary": dg.MetadataValue.md(report_summary(facts)),
        "titles": facts.titles,
        "answers_missing": sum(each.answers for each in facts.failures),
        **{f"coverage_{name}": coverage(counts) for name, counts in facts.outcomes.items() if counts},
        **{f"latency_p95_ms_{each.analysis}": each.p95_ms for each in facts.latencies},
        "forecast_calls": sum(line.calls for line in forecast),
        "forecast_cost_usd": usd(sum(line.cost_micro_usd for line in forecast)),
        "forecast_seconds": sum(line.seconds for line in forecast),
    }
