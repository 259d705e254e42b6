"""What every room of the code location is built from: settings, analyses, models.

Belongs here: what definitions need of the three together. Stays out: settings of use cases
(`defs/shared/pipeline_settings.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from manga_enrichment.defs.shared.partitions import catalog_partitions, partition_groups
from manga_enrichment.domain.analyses import AnalysisSet
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.settings import Settings


@dataclass(frozen=True, slots=True)
class DefinitionInputs:
    """known: read once, so that what is let in, asked and stored in a process are the same analyses."""

    settings: Settings
    known: AnalysisSet
    models: ModelCatalog

    @property
    def analyses(self) -> Mapping[str, AnalysisType]:
        return self.known.of_titles

    @property
    def for_partners(self) -> Mapping[str, AnalysisType]:
        """What a batch may ask for: those on request, too, which no asset is made of."""
        return self.known.for_partners

    @property
    def partitions(self) -> dg.StaticPartitionsDefinition:
        return catalog_partitions(self.settings.catalog_buckets)

    @property
    def buckets(self) -> list[str]:
        return bucket_keys(self.settings.catalog_buckets)

    @property
    def bucket_groups(self) -> list[tuple[str, str]]:
        """(first, last) of the buckets that one run takes."""
        return partition_groups(self.buckets, self.settings.buckets_per_run)

    @property
    def backfill_policy(self) -> dg.BackfillPolicy:
        return dg.BackfillPolicy.multi_run(self.settings.buckets_per_run)
