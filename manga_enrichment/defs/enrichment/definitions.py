"""All that Dagster gets of the title lane.

Belongs here: assembly. Stays out: assets, ops, checks, jobs and schedule (beside this file).
"""

import dagster as dg

from manga_enrichment.defs.enrichment.analysis_checks import build_checks
from manga_enrichment.defs.enrichment.ask_again_job import build_ask_again_job
from manga_enrichment.defs.enrichment.assets import build_analyses
from manga_enrichment.defs.enrichment.canary_checks import canary_check
from manga_enrichment.defs.enrichment.cost_checks import cost_checks, model_check
from manga_enrichment.defs.enrichment.jobs import build_jobs
from manga_enrichment.defs.enrichment.night_sensor import build_night_sensor
from manga_enrichment.defs.enrichment.quality_checks import quality_checks
from manga_enrichment.defs.enrichment.schedule import assets_after_import, build_nightly_schedule
from manga_enrichment.defs.enrichment.wide_table import build_enriched, build_enriched_changes
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.pipeline.enrichment.wide_table import TABLE


def build_enrichment(inputs: DefinitionInputs) -> dg.Definitions:
    after_import = assets_after_import(inputs.analyses)
    return dg.Definitions(
        assets=[build_analyses(inputs), build_enriched(inputs), build_enriched_changes(inputs)],
        asset_checks=[
            *(_checks_of(analysis, inputs) for analysis in inputs.analyses.values()),
            build_checks(TABLE, cost_checks(inputs), inputs.buckets),
        ],
        jobs=[*build_jobs(), build_ask_again_job(inputs)],
        schedules=[build_nightly_schedule(inputs.bucket_groups, after_import)],
        sensors=[build_night_sensor(inputs.bucket_groups, after_import)],
    )


def _checks_of(analysis: AnalysisType, inputs: DefinitionInputs) -> dg.AssetChecksDefinition:
    checks = [
        *quality_checks(analysis, inputs.buckets, inputs.settings.coverage_warn),
        canary_check(analysis, inputs),
        model_check(analysis, inputs.models),
    ]
    return build_checks(analysis.name, checks, inputs.buckets)
