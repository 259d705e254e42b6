"""Make the report: the forecast of the next run, then everything the tables say.

Belongs here: the order of things for the asset and the command alike. Stays out: reading (`facts.py`) and
showing (`page.py`).
"""

from collections.abc import Mapping
from dataclasses import replace

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.tables import has_candidates
from manga_enrichment.pipeline.catalog.refresh import load_state
from manga_enrichment.pipeline.enrichment.forecast import forecast_next_run, throughput_of
from manga_enrichment.pipeline.report.catalog_facts import look_at_catalog
from manga_enrichment.pipeline.report.facts import ReportFacts, gather
from manga_enrichment.settings import Settings


def make_report(
    name: str,
    *,
    tables: ObjectStore,
    ledger: ResultLedger,
    budget: BudgetStore,
    clock: Clock,
    analyses: Mapping[str, AnalysisType],
    models: ModelCatalog,
    settings: Settings,
) -> ReportFacts:
    """name: of the forecast's working files. Raises StoreUnavailableError, ConfigurationError for a wrong setting."""
    buckets, state = bucket_keys(settings.catalog_buckets), load_state(tables, settings.catalog_buckets)
    forecast = None
    if state is not None and all(has_candidates(tables, bucket) for bucket in buckets):
        forecast = forecast_next_run(
            name,
            buckets,
            list(analyses),
            tables=tables,
            ledger=ledger,
            analyses=analyses,
            models=models,
            pace=throughput_of(settings),
        )
    facts = gather(
        tables,
        analyses=[each for each, analysis in analyses.items() if not analysis.parts],
        buckets=buckets,
        now=clock.now(),
        titles=0 if state is None else state.titles,
        forecast=forecast,
    )
    catalog = look_at_catalog(tables, analyses.values(), buckets, clock.now().date())
    return replace(facts, brake=budget.brake(), catalog=catalog, lowest_coverage=settings.coverage_warn)
