"""The tables of a small run in which much happened, for whoever asks them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.result_rows import PARTNER_RESULT_COLUMNS
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.pipeline.health.daily_costs import write_day
from manga_enrichment.pipeline.health.stored_looks import SCHEMA as OBSERVATIONS
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.object_keys import partner_results_prefix, queue_observations_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    BUCKET,
    ORIGIN,
    World,
    bare_record,
    provenance,
    put_catalog,
    record,
    title_id,
)
from manga_enrichment_tests.fakes import START, MemoryTables, ScriptedModel

DAY = provenance().run_date


def partner_item(position: int, **values: Any) -> dict[str, Any]:
    item = {
        **dict.fromkeys(column.name for column in PARTNER_RESULT_COLUMNS),
        "request_id": "11111111-1111-4111-8111-111111111111",
        "partner_id": "acme",
        "generation": 1,
        "position": position,
        "manga_id": title_id(1),
        "analysis": "reading_level",
        "outcome": "succeeded",
        "from_cache": False,
        "cost_micro_usd": 40,
        "completed_at": START,
        "dagster_run_id": "partner-run",
        "queue": "manga-fm-normal",
        "accepted_at": START - timedelta(seconds=12),
        "claimed_at": START - timedelta(seconds=10),
        "model_seconds": 7.0,
    }
    return {**item, **values}


def observation(queue: str, **values: Any) -> dict[str, Any]:
    numbers = {"visible": 3, "in_flight": 1, "delayed": 0, "oldest_age_source": "unknown", "kind": "requests"}
    return {**dict.fromkeys(OBSERVATIONS.names), "observed_at": START, "queue": queue, "dagster_run_id": "look"} | (
        numbers | values
    )


def eventful_world() -> World:
    """Four titles with text: one answered at once, one refused, one throttled first, one lost twice; one without."""
    world = World()
    put_catalog(world.tables, [record(1), record(2), record(3), record(4), bare_record(5)])
    script = {
        title_id(2): [ErrorClass.REFUSAL],
        title_id(3): [ErrorClass.THROTTLED, None],
        title_id(4): [ErrorClass.READ_TIMEOUT] * 2,
    }
    world.model = ScriptedModel(world.clock, script)
    world.run()
    write_enriched(world.tables, BUCKET, list(ANALYSES.values()), ORIGIN)
    write_day(world.tables, DAY)
    items = [partner_item(0), partner_item(1, from_cache=True, cost_micro_usd=0), partner_item(2, outcome="failed")]
    results = pa.Table.from_pylist(items, schema=arrow_schema(PARTNER_RESULT_COLUMNS))
    world.tables.write(f"{partner_results_prefix(DAY)}one-request.parquet", results)
    looks = [
        observation("manga-fm-normal"),
        observation("manga-fm-normal", visible=9, oldest_age_seconds=70.0, oldest_age_source="cloudwatch"),
    ]
    world.tables.write(queue_observations_key(DAY), pa.Table.from_pylist(looks, schema=OBSERVATIONS))
    return world


def put_on_disk(tables: MemoryTables, folder: Path) -> Path:
    for key, body in tables.objects.items():
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    return folder / "enrichment"
