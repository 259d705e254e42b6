"""What ships with the package is found in a checkout and in what a wheel installs, and a missing file is named."""

import tomllib
from pathlib import Path

import pytest

from manga_enrichment.runtime import shipped as module
from manga_enrichment.runtime.shipped import NotShippedError, shipped

ROOT = Path(module.__file__).parents[2]
TAKEN = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"][
    "force-include"
]


@pytest.mark.parametrize("path", ["infra/partners.json", "data/sql", "dagster.yaml"])
def test_a_shipped_file_is_found(path: str) -> None:
    assert shipped(path) == ROOT / path


def test_a_missing_file_is_named_with_both_places() -> None:
    with pytest.raises(
        NotShippedError, match=r"no/such\.file is missing: neither .*manga_enrichment/no/such\.file nor"
    ):
        shipped("no/such.file")


@pytest.mark.parametrize("path", TAKEN)
def test_a_wheel_takes_it_along_under_the_same_path(path: str) -> None:
    assert (ROOT / path).exists()
    assert TAKEN[path] == f"manga_enrichment/{path}"
