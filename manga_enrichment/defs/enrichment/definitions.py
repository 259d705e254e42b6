"""All that Dagster gets of the title lane.

Belongs here: assembly. Stays out: assets, ops, checks, jobs and schedule (beside this file).
"""

import dagster as dg

from manga_enrichment.defs.enrichment.assets import build_analyses
from manga_enrichment.defs.enrichment.canary_checks import build_canary_checks
from manga_enrichment.defs.enrichment.cost_checks import build_cost_checks, build_model_checks
from manga_enrichment.defs.enrichment.jobs import build_jobs
from manga_enrichment.defs.enrichment.night_sensor import build_night_sensor
from manga_enrichment.defs.enrichment.quality_checks import build_quality_checks
from manga_enrichment.defs.enrichment.schedule import assets_after_import, build_nightly_schedule
from manga_enrichment.defs.enrichment.wide_table import build_enriched, build_enriched_changes
from manga_enrichment.defs.shared.inputs import DefinitionInputs


def build_enrichment(inputs: DefinitionInputs) -> dg.Definitions:
    after_import = assets_after_import(inputs.analyses)
    return dg.Definitions(
        assets=[build_analyses(inputs), build_enriched(inputs), build_enriched_changes(inputs)],
        asset_checks=[
            *build_quality_checks(inputs),
            *build_canary_checks(inputs),
            *build_cost_checks(inputs),
            *build_model_checks(inputs.analyses, inputs.models),
        ],
        jobs=build_jobs(),
        schedules=[build_nightly_schedule(inputs.bucket_groups, after_import)],
        sensors=[build_night_sensor(inputs.bucket_groups, after_import)],
    )
