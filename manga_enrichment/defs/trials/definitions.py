"""All that Dagster gets of trials.

Belongs here: assembly. Stays out: the job (`defs/trials/job.py`).
"""

import dagster as dg

from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.trials.job import build_trial_job


def build_trials(inputs: DefinitionInputs) -> dg.Definitions:
    return dg.Definitions(jobs=[build_trial_job(inputs)])
