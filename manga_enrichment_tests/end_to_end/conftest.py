"""A small catalog, an environment that points at the local stack, and the books that a night leaves."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from manga_enrichment.local.sample_catalog import write_catalog
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.books import Books

Arrange = Callable[..., dict[str, str]]


@pytest.fixture
def arrange(
    aws_environment: dict[str, str], fresh_stack_state: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Arrange:
    """Set a stage: a catalog of so many fictional titles and MANGA_ settings; returns the whole environment."""

    def arrange(titles: int, **settings: object) -> dict[str, str]:
        catalog = tmp_path / "catalog.jsonl"
        write_catalog(catalog, titles, seed=7)
        monkeypatch.setenv("MANGA_CATALOG_URI", str(catalog))
        for name, value in {"clock_skew_seconds": 2, **settings}.items():
            monkeypatch.setenv(f"MANGA_{name.upper()}", str(value))
        return dict(os.environ)

    return arrange


@pytest.fixture
def open_books() -> Callable[[], Books]:
    """Call it when the night is over, with the settings of then."""
    return lambda: Books(load_settings())
