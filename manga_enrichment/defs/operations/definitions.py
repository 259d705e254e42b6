"""All that Dagster gets of what watches runs.

Belongs here: assembly. Stays out: each sensor and job (beside this file).
"""

import dagster as dg

from manga_enrichment.defs.operations.alert_sensor import build_alert_sensor
from manga_enrichment.defs.operations.brake_job import brake
from manga_enrichment.defs.operations.changes_job import build_changes_job, build_changes_schedule
from manga_enrichment.defs.operations.killed_runs import build_killed_runs_sensor
from manga_enrichment.defs.operations.metrics_sensor import build_metrics_sensor
from manga_enrichment.defs.operations.run_history import build_history_job, build_history_schedule
from manga_enrichment.defs.shared.inputs import DefinitionInputs


def build_operations(inputs: DefinitionInputs) -> dg.Definitions:
    history = build_history_job(inputs.settings.run_history_days)
    changes = build_changes_job(inputs.settings.changes_days)
    return dg.Definitions(
        jobs=[history, changes, brake],
        schedules=[build_history_schedule(history), build_changes_schedule(changes)],
        sensors=[
            build_alert_sensor(inputs.settings),
            build_killed_runs_sensor(),
            build_metrics_sensor(
                group_starts=[first for first, _last in inputs.bucket_groups],
                answer_tables=[name for name, analysis in inputs.analyses.items() if not analysis.parts],
            ),
        ],
    )
