"""All that Dagster gets of the costs.

Belongs here: assembly. Stays out: asset, job and schedule (`defs/costs/assets.py`), the sensor
(`defs/costs/after_night.py`), checks (`defs/costs/checks.py`,
`defs/costs/service_check.py`, `defs/costs/usage_check.py`).
"""

import dagster as dg

from manga_enrichment.defs.costs.after_night import build_costs_after_night
from manga_enrichment.defs.costs.assets import build_costs_job, build_costs_schedule, build_enrichment_costs
from manga_enrichment.defs.costs.checks import build_daily_cost_checks
from manga_enrichment.defs.costs.service_check import build_service_check
from manga_enrichment.defs.costs.usage_check import build_usage_check
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.domain.operations.quota_lanes import MODEL_LANES


def build_costs(inputs: DefinitionInputs) -> dg.Definitions:
    asked = inputs.models.asked_for
    used = {
        asked(each.name, each.model_alias, lane).model_id
        for each in inputs.for_partners.values()
        for lane in MODEL_LANES
    }
    job = build_costs_job()
    return dg.Definitions(
        assets=[build_enrichment_costs()],
        asset_checks=[
            *build_daily_cost_checks(inputs.settings, inputs.models, inputs.for_partners),
            build_usage_check(),
            build_service_check(inputs.models, used),
        ],
        jobs=[job],
        schedules=[build_costs_schedule()],
        sensors=[build_costs_after_night(job)],
    )
