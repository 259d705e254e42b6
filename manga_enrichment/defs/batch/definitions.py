"""All that Dagster gets of the batch lane.

Belongs here: assembly. Stays out: the job (`defs/batch/job.py`), the sensor (`defs/batch/sensor.py`).
"""

import dagster as dg

from manga_enrichment.defs.batch.job import build_batch_job
from manga_enrichment.defs.batch.sensor import build_batch_sensor
from manga_enrichment.defs.shared.inputs import DefinitionInputs


def build_batch(inputs: DefinitionInputs) -> dg.Definitions:
    return dg.Definitions(jobs=[build_batch_job(inputs.analyses)], sensors=[build_batch_sensor(inputs)])
