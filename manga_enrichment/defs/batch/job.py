"""Job `publish_batch_answers`: the tables of an ended Bedrock batch job, brought up to date.

Belongs here: the job. Stays out: when it runs, and over which buckets (`defs/batch/sensor.py`).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from manga_enrichment.defs.shared.tags import BATCH_LANE
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.pipeline.enrichment.wide_table import TABLE as ENRICHED_TABLE

BATCH_JOB = "publish_batch_answers"


def build_batch_job(analyses: Mapping[str, AnalysisType]) -> Any:
    """An unresolved asset job; Dagster does not export its type."""
    return dg.define_asset_job(
        BATCH_JOB,
        selection=dg.AssetSelection.assets(*analyses, ENRICHED_TABLE),
        description="Bring the tables up to date after a batch job. Titles it left unanswered are asked again.",
        tags=BATCH_LANE,
    )
