"""All that Dagster gets of the report.

Belongs here: assembly. Stays out: asset, job and schedule (`defs/report/assets.py`).
"""

import dagster as dg

from manga_enrichment.defs.report.assets import build_enrichment_report, build_report_job, build_report_schedule
from manga_enrichment.defs.shared.inputs import DefinitionInputs


def build_report(inputs: DefinitionInputs) -> dg.Definitions:
    return dg.Definitions(
        assets=[build_enrichment_report(inputs)],
        jobs=[build_report_job()],
        schedules=[build_report_schedule()],
    )
