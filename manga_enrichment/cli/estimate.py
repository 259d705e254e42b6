"""`manga-enrichment estimate`: the plan of a run that is never started."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.domain.analyses import ANALYSES, get_analysis
from manga_enrichment.domain.catalog import bucket_keys
from manga_enrichment.domain.models import load_models
from manga_enrichment.domain.outcomes import ConfigurationError
from manga_enrichment.domain.usage import usd
from manga_enrichment.pipeline.calibration_store import read_calibrations
from manga_enrichment.pipeline.catalog_refresh import load_state
from manga_enrichment.pipeline.forecast import ForecastLine, Pace, forecast
from manga_enrichment.pipeline.planning import Planning
from manga_enrichment.settings import Settings, load_settings


def run_estimate(selection: Sequence[str], buckets: Sequence[str], *, as_json: bool) -> None:
    """Print the forecast of `selection` (all analyses when empty) over `buckets` (all when empty)."""
    settings = load_settings()
    lines = _forecast(settings, selection or list(ANALYSES), buckets)
    total = {
        "calls": sum(line.calls for line in lines),
        "input_tokens": sum(line.input_tokens for line in lines),
        "output_tokens": sum(line.output_tokens for line in lines),
        "cost_usd": usd(sum(line.cost_micro_usd for line in lines)),
        "seconds": round(sum(line.seconds for line in lines), 1),
    }
    if as_json:
        print(json.dumps({"analyses": [asdict(line) for line in lines], **total}))
    else:
        _print(lines, total)


def _forecast(settings: Settings, selection: Sequence[str], buckets: Sequence[str]) -> list[ForecastLine]:
    for name in selection:
        get_analysis(name)
    known = bucket_keys(settings.catalog_buckets)
    unknown = [bucket for bucket in buckets if bucket not in known]
    if unknown:
        raise ConfigurationError(f"--buckets: {', '.join(unknown)} is not one of {known[0]} to {known[-1]}")
    gateways = open_gateways(settings)
    if load_state(gateways.tables, settings.catalog_buckets) is None:
        raise ConfigurationError("There is no catalog yet: materialize manga_catalog first (job refresh_catalog)")
    models = load_models(settings.model_aliases)
    planning = Planning(tables=gateways.tables, ledger=gateways.ledger, analyses=ANALYSES, models=models)
    plan = planning.plan(f"estimate-{uuid4()}", buckets or known, selection, lambda _message: None)
    pace = Pace(settings.concurrency, settings.requests_per_minute, settings.tokens_per_minute)
    by_name = {name: models.resolve(analysis.model_alias) for name, analysis in ANALYSES.items()}
    return forecast(plan, pace, read_calibrations(gateways.tables, by_name))


def _print(lines: Sequence[ForecastLine], total: dict[str, float]) -> None:
    table = Table(title="Estimate; nothing was asked or billed")
    for heading in ("analysis", "calls", "input tokens", "output tokens", "USD", "seconds"):
        table.add_column(heading, justify="left" if heading == "analysis" else "right")
    for line in lines:
        seconds = f"{line.seconds:.0f}" if line.measured else f"{line.seconds:.0f} (assumed latency)"
        cells = (line.calls, line.input_tokens, line.output_tokens, f"{usd(line.cost_micro_usd):.6f}", seconds)
        table.add_row(line.analysis, *map(str, cells))
    table.add_section()
    table.add_row("total", *(str(value) for value in total.values()))
    Console().print(table)
