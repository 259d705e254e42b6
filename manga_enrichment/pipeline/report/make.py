"""Make the report: the forecast of the next run, then everything the tables say.

Belongs here: the order of things for the asset and the command alike. Stays out: reading (`facts.py`) and
showing (`page.py`).
"""

from collections.abc import Mapping

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.reader import has_candidates
from manga_enrichment.pipeline.catalog.refresh import load_state
from manga_enrichment.pipeline.enrichment.forecast import NextRun, Throughput
from manga_enrichment.pipeline.report.facts import ReportFacts, gather


class Reporting:
    def __init__(
        self,
        *,
        tables: ObjectStore,
        ledger: ResultLedger,
        clock: Clock,
        analyses: Mapping[str, AnalysisType],
        models: ModelCatalog,
        bucket_count: int,
        pace: Throughput,
    ) -> None:
        self._tables = tables
        self._clock = clock
        self._analyses = analyses
        self._bucket_count = bucket_count
        self._next_run = NextRun(tables, ledger, analyses=analyses, models=models, pace=pace)

    def facts(self, name: str) -> ReportFacts:
        """name: of the forecast's working files. Bills nothing.

        Raises ConfigurationError for a wrong bucket count, StoreUnavailableError.
        """
        buckets = bucket_keys(self._bucket_count)
        state = load_state(self._tables, self._bucket_count)
        can_plan = state is not None and all(has_candidates(self._tables, bucket) for bucket in buckets)
        forecast = self._next_run.forecast(name, buckets, list(self._analyses)) if can_plan else None
        return gather(
            self._tables,
            analyses=[each for each, analysis in self._analyses.items() if not analysis.parts],
            buckets=buckets,
            now=self._clock.now(),
            titles=0 if state is None else state.titles,
            forecast=forecast,
        )
