"""All that Dagster gets of the partner lane.

Belongs here: assembly. Stays out: asset and job (`defs/partner/assets.py`), sensors (`defs/partner/sensors.py`,
`defs/partner/outbox_sensor.py`), the compaction (`defs/partner/compaction_job.py`), resources (`definitions.py`).
"""

import dagster as dg

from manga_enrichment.defs.partner.assets import build_partner_job, build_partner_results
from manga_enrichment.defs.partner.compaction_job import build_compaction_job, build_compaction_schedule
from manga_enrichment.defs.partner.outbox_sensor import build_outbox_sensor
from manga_enrichment.defs.partner.resident_job import build_resident_job
from manga_enrichment.defs.partner.resident_sensor import build_resident_sensor
from manga_enrichment.defs.partner.sensors import build_request_sensors
from manga_enrichment.defs.partner.settings import sensor_settings
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.domain.requests.queues import REQUEST_QUEUES, RESIDENT_LANES


def build_partner(inputs: DefinitionInputs) -> dg.Definitions:
    settings, limits = inputs.settings, sensor_settings(inputs)
    resident = {queue for queues in RESIDENT_LANES.values() for queue in queues} if settings.residents else set()
    compaction = build_compaction_job()
    return dg.Definitions(
        assets=[build_partner_results(inputs)],
        jobs=[build_partner_job(), compaction, *([build_resident_job()] if resident else [])],
        schedules=[build_compaction_schedule(compaction)],
        sensors=[
            *build_request_sensors(limits, [queue for queue in REQUEST_QUEUES if queue not in resident]),
            *([build_resident_sensor(limits.backlog)] if resident else []),
            build_outbox_sensor(settings),
        ],
    )
