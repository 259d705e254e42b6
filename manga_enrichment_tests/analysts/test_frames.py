"""`load`: tables as frames of pandas, with the types that people expect."""

from pathlib import Path

import pandas as pd
import pytest

from manga_enrichment.analysts import load
from manga_enrichment.analysts.plain import QueryError
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment_tests.analysts.eventful_world import DAY, eventful_world, put_on_disk
from manga_enrichment_tests.builders import title_id


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put_on_disk(eventful_world().tables, tmp_path_factory.mktemp("tables"))


def test_the_wide_table_has_the_types_of_its_values(folder: Path) -> None:
    titles = load("enriched_catalog", folder=folder)
    kinds = {name: str(kind) for name, kind in titles.dtypes.items()}
    assert (kinds["title"], kinds["volumes"], kinds["contains_spoilers"]) == ("string", "Int64", "boolean")
    assert kinds["reading_level_confidence"] == "float64"
    assert isinstance(titles["updated_at"].dtype, pd.DatetimeTZDtype)
    assert kinds["bucket"] == "string"
    assert len(titles) == 5


def test_lists_and_structs_are_pythons_and_what_is_missing_is_missing(folder: Path) -> None:
    titles = load("enriched_catalog", ["manga_id", "genres", "primary_genre"], folder=folder).set_index("manga_id")
    answered = titles.loc[title_id(1)]
    assert isinstance(answered["genres"], list)
    assert answered["genres"][0]["genre"] == answered["primary_genre"]
    without = titles[titles["primary_genre"].isna()]
    assert title_id(5) in without.index
    assert without["genres"].isna().all()


def test_days_are_times_that_one_can_reckon_with(folder: Path) -> None:
    log = load("requests", ["run_date", "cost_micro_usd"], folder=folder)
    assert set(log["run_date"]) == {pd.Timestamp(DAY)}
    assert log.resample("D", on="run_date")["cost_micro_usd"].sum().iloc[0] > 0


def test_a_table_that_nothing_was_written_to_has_its_types_too(folder: Path) -> None:
    empty = load("catalog_tombstones", folder=folder)
    assert empty.empty
    assert str(empty.dtypes["manga_id"]) == "string"


def test_what_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="no published table nowhere"):
        load("nowhere", folder=folder)
    with pytest.raises(QueryError, match='"colour" not found'):
        load("catalog", ["colour"], folder=folder)
    with pytest.raises(ConfigurationError, match="is no folder"):
        load("catalog", folder=tmp_path / "gone")
