"""A plan as a test looks at it."""

from collections.abc import Sequence

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow, open_plan


def read_plan(tables: ObjectStore, run_id: str, bucket: str, analyses: Sequence[str]) -> list[PlanRow]:
    """All rows of these analyses, in the catalog's order."""
    return [row for part in open_plan(tables, run_id, bucket, analyses).parts() for row in part]
