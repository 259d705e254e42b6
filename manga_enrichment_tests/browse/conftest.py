"""One site for all tests of pages that only read."""

from pathlib import Path

import pytest

from manga_enrichment_tests.browse_world import Site, eventful_world, found, put_on_disk
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import MemoryTables


@pytest.fixture(scope="session")
def tables() -> MemoryTables:
    """What pages are made from; not for writing."""
    return eventful_world().tables


@pytest.fixture(scope="session")
def tables_folder(tables: MemoryTables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_on_disk(tables, tmp_path_factory.mktemp("browse-tables"))


@pytest.fixture(scope="session")
def site(tables_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(tables_folder, tmp_path_factory.mktemp("browse-home"), find=found(title_id(3), title_id(1)))
    made.shelf.refresh()
    return made
