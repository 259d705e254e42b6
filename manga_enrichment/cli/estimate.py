"""`manga-enrichment estimate`: the plan of a run that is never started."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from manga_enrichment.aws.gateways import Gateways, open_gateways
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import Lane
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.pipeline.catalog.refresh import load_state
from manga_enrichment.pipeline.enrichment.canaries import is_in_force, open_canaries
from manga_enrichment.pipeline.enrichment.forecast import ForecastLine, forecast_next_run, throughput_of
from manga_enrichment.pipeline.enrichment.plan_run import Moves, Planning
from manga_enrichment.settings import Settings, known_analyses, known_models, load_settings


def run_estimate(selection: Sequence[str], buckets: Sequence[str], *, as_json: bool) -> None:
    """Print the forecast of `selection` (all analyses when empty) over `buckets` (all when empty)."""
    settings = load_settings()
    known = known_analyses(settings)
    chosen = [known.get(name).name for name in selection or known.of_titles]
    gateways, asked = _opened(settings, buckets)
    models = known_models(settings)
    canaries = [
        each for each in open_canaries(gateways.status, known.of_titles) if is_in_force(each, known.of_titles, models)
    ]
    lines = forecast_next_run(
        f"estimate-{uuid4()}",
        asked,
        chosen,
        tables=gateways.tables,
        ledger=gateways.ledger,
        analyses=known.of_titles,
        models=models,
        pace=throughput_of(settings),
        canaries=canaries,
    )
    planning = Planning(tables=gateways.tables, ledger=gateways.ledger, analyses=known.of_titles, models=models)
    moves = planning.moves(asked, chosen)
    total = _total(lines)
    if as_json:
        print(json.dumps({"analyses": [asdict(line) for line in lines], **total, "waiting_lists": asdict(moves)}))
        return
    _print(lines, total)
    _print_again(lines)
    for canary in canaries:
        print(f"Without titles that wait: {canary.reason}.")
    _print_moves(moves, settings)


def _total(lines: Sequence[ForecastLine]) -> dict[str, float]:
    return {
        "calls": sum(line.calls for line in lines),
        "input_tokens": sum(line.input_tokens for line in lines),
        "output_tokens": sum(line.output_tokens for line in lines),
        "cost_usd": usd(sum(line.cost_micro_usd for line in lines)),
        "seconds": round(sum(line.seconds for line in lines), 1),
        "again": sum(line.again for line in lines),
        "again_usd": usd(sum(line.again_micro_usd for line in lines)),
    }


def _opened(settings: Settings, buckets: Sequence[str]) -> tuple[Gateways, Sequence[str]]:
    """(gateways, the buckets to look at)"""
    known = bucket_keys(settings.catalog_buckets)
    unknown = [bucket for bucket in buckets if bucket not in known]
    if unknown:
        raise ConfigurationError(f"--buckets: {', '.join(unknown)} is not one of {known[0]} to {known[-1]}")
    gateways = open_gateways(settings)
    if load_state(gateways.tables, settings.catalog_buckets) is None:
        raise ConfigurationError("There is no catalog yet: materialize manga_catalog first (job refresh_catalog)")
    return gateways, buckets or known


def _print(lines: Sequence[ForecastLine], total: dict[str, float]) -> None:
    table = Table(title="Estimate; nothing was asked or billed")
    headings = ("analysis", "lane", "calls", "input tokens", "output tokens", "USD", "as batch", "seconds")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in {"analysis", "lane"} else "right")
    for line in lines:
        cells = (line.lane, line.calls, line.input_tokens, line.output_tokens, f"{usd(line.cost_micro_usd):.6f}")
        as_batch = "no price" if line.batch_micro_usd is None else f"{usd(line.batch_micro_usd):.6f}"
        table.add_row(line.analysis, *map(str, cells), as_batch, _time(line))
    table.add_section()
    tokens = (f"{total['input_tokens']}", f"{total['output_tokens']}")
    table.add_row("total", "", f"{total['calls']}", *tokens, f"{total['cost_usd']:.6f}", "", f"{total['seconds']:.0f}")
    Console().print(table)
    for line in lines:
        if line.refusal:
            print(f"A run would stop: {line.analysis} has enough titles for the batch lane, but {line.refusal}.")


def _print_again(lines: Sequence[ForecastLine]) -> None:
    calls, cost = sum(line.again for line in lines), usd(sum(line.again_micro_usd for line in lines))
    if calls:
        print(f"{calls} of these calls ask again about titles that have an answer, for USD {cost:.6f}:")
        print("their prompt, model, text or candidates are others than then, or somebody had them asked again.")


def _print_moves(moves: Moves, settings: Settings) -> None:
    if moves.titles:
        cost = f"{moves.calls} calls, USD {usd(moves.cost_micro_usd):.6f}"
        print(f"{moves.titles} candidate lists are of an earlier method; moving all takes {cost} more.")
        print(f"MANGA_CANDIDATES_REFRESH={settings.candidates_refresh:g} of a bucket's titles move each day.")


def _time(line: ForecastLine) -> str:
    if line.lane == Lane.BATCH.value:
        return f"at most {line.seconds:.0f}"
    return f"{line.seconds:.0f}" if line.measured else f"{line.seconds:.0f} (assumed latency)"
