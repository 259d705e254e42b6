"""The whole code location over gateways in memory: runs of it, and what they left in Dagster."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.settings import Settings
from manga_enrichment_tests.builders import World, catalog_row, write_source

BUCKETS = 2
FIRST, LAST = bucket_keys(BUCKETS)


def rows(count: int = 12) -> list[dict[str, Any]]:
    """A small catalog: every fourth title has nothing to be asked about."""
    bare: dict[str, Any] = {"synopsis": None, "publisher_genres": [], "demographics": []}
    return [catalog_row(number, **(bare if number % 4 == 3 else {})) for number in range(count)]


class Project:
    """Definitions over a World, and runs of the nightly job."""

    def __init__(self, folder: Path, *, catalog: Iterable[Mapping[str, Any]] | None = None, **settings: Any) -> None:
        self.world = World()
        self.source = write_source(folder / "catalog.jsonl", rows() if catalog is None else catalog)
        chosen = {"catalog_uri": str(self.source), "catalog_buckets": BUCKETS, "deadline_seconds": 60, **settings}
        self.settings = Settings(**chosen)
        self.build()

    def build(self) -> None:
        """Again after a gateway of the world was replaced."""
        self.definitions = build_definitions(self.settings, resources=self.world.resources(self.source))

    def run(
        self,
        selection: Sequence[str] | None = None,
        *,
        buckets: tuple[str, str] = (FIRST, LAST),
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """The nightly job over a range of buckets, or the part of it that materializes `selection`."""
        return self.definitions.resolve_job_def(NIGHTLY_JOB).execute_in_process(
            tags={**range_tags(*buckets), **(tags or {})},
            asset_selection=None if selection is None else [dg.AssetKey(name) for name in selection],
            run_config=config or {},
            raise_on_error=False,
        )


def enrichment_ops(result: dg.ExecuteInProcessResult) -> set[str]:
    """Ops of the enrichment graph that started."""
    started = (str(event.step_key) for event in result.all_events if event.event_type_value == "STEP_START")
    return {key.removeprefix("enrichment.") for key in started if key.startswith("enrichment.")}


def retried(result: dg.ExecuteInProcessResult) -> dict[str, float]:
    """Op -> seconds it waited before it was tried again."""
    return {
        str(event.step_key).removeprefix("enrichment."): float(event.step_retry_data.seconds_to_wait or 0)
        for event in result.all_events
        if event.event_type_value == "STEP_UP_FOR_RETRY"
    }


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Op -> the sentence it failed with."""
    failed = {}
    for event in result.all_events:
        if event.event_type_value == "STEP_FAILURE":
            data = event.step_failure_data
            said = data.user_failure_data.description if data.user_failure_data else data.error
            failed[str(event.step_key).removeprefix("enrichment.")] = str(said)
    return failed


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Asset -> partition -> metadata values."""
    found: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for event in result.all_events:
        if event.event_type_value == "ASSET_MATERIALIZATION":
            done = event.step_materialization_data.materialization
            values = {name: value.value for name, value in done.metadata.items()}
            found[done.asset_key.to_user_string()][str(done.partition)] = values
    return dict(found)


def checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """(asset, check) -> evaluation."""
    return {(each.asset_key.to_user_string(), each.check_name): each for each in result.get_asset_check_evaluations()}
