"""All that Dagster gets of the queues.

Belongs here: assembly. Stays out: assets, job and schedule (`defs/queues/assets.py`), checks (`defs/queues/checks.py`),
dead requests (`defs/queues/closing.py`), the redrive (`defs/queues/redrive_job.py`), cancelling
(`defs/queues/cancel_job.py`).
"""

import dagster as dg

from manga_enrichment.defs.queues.assets import (
    build_latency_asset,
    build_queue_assets,
    build_queue_job,
    build_queue_schedule,
)
from manga_enrichment.defs.queues.cancel_job import cancel_requests
from manga_enrichment.defs.queues.checks import build_queue_checks
from manga_enrichment.defs.queues.closing import build_dead_requests
from manga_enrichment.defs.queues.redrive_job import redrive_dead_letters
from manga_enrichment.defs.shared.inputs import DefinitionInputs


def build_queues(inputs: DefinitionInputs) -> dg.Definitions:
    return dg.Definitions(
        assets=[build_queue_assets(), build_latency_asset(), build_dead_requests(inputs)],
        asset_checks=build_queue_checks(),
        jobs=[build_queue_job(), redrive_dead_letters, cancel_requests],
        schedules=[build_queue_schedule()],
    )
