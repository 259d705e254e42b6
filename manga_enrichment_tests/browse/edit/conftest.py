"""A desk for each test."""

from pathlib import Path

import pytest

from manga_enrichment_tests.browse_desk import Desk
from manga_enrichment_tests.browse_world import Site
from manga_enrichment_tests.fakes import MemoryTables


@pytest.fixture
def desk(tables: MemoryTables, tables_folder: Path, site: Site) -> Desk:
    return Desk(tables, tables_folder, site.shelf.home)
