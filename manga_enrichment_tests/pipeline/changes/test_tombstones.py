"""A title that leaves the catalog is in the tombstones, one that returns is not; killed or not."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.aws.s3.catalog_source import LocalCatalog
from manga_enrichment.pipeline.catalog.files.rows import Reading
from manga_enrichment.pipeline.catalog.plausibility import PlausibleLimits
from manga_enrichment.pipeline.catalog.refresh import refresh_catalog
from manga_enrichment.pipeline.catalog.sink import Following
from manga_enrichment.pipeline.changes.replace import ChangeReport
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.pipeline.store.object_keys import tombstones_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    BUCKET,
    ORIGIN,
    SINGLES,
    World,
    catalog_row,
    ids_of_bucket,
    title_id,
    write_source,
)
from manga_enrichment_tests.follower import Follower
from manga_enrichment_tests.kill_switch import Killed, KillSwitch, Mortal

ALL = list(ANALYSES.values())


class Store:
    """A catalog of one bucket, from a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World()
        self.tables = self.world.tables
        self.reports: list[tuple[ChangeReport, int]] = []

    def imports(self, rows: list[dict[str, Any]], run_id: str = "run-1", tables: Any = None, name: str = "a") -> None:
        source = LocalCatalog(str(write_source(self.folder / f"{name}.jsonl", rows)))
        refresh_catalog(
            tables=tables or self.tables,
            source=source,
            clock=self.world.clock,
            reading=Reading(),
            bucket_count=1,
            say=lambda _line: None,
            following=Following(run_id, SINGLES, lambda report, left: self.reports.append((report, left))),
            analyses=ANALYSES.values(),
            plausible=PlausibleLimits(1, 1),
        )

    def enriches(self, run_id: str = "run-1") -> None:
        self.world.run(run_id)
        write_enriched(self.tables, BUCKET, ALL, ORIGIN)

    def ids(self) -> set[str]:
        return ids_of_bucket(self.tables)

    def gone(self) -> dict[str, dict[str, Any]]:
        stored = self.tables.read(tombstones_key(BUCKET))
        return {} if stored is None else {row["manga_id"]: row for row in stored.table.to_pylist()}


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [catalog_row(number) for number in numbers]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_title_that_leaves_keeps_its_answers_and_outcomes_in_the_tombstone(store: Store) -> None:
    store.imports(rows(1, 2))
    store.enriches()
    wide = {row["manga_id"]: row for row in store.world.rows("enrichment/enriched_catalog/bucket=0/part.parquet")}
    store.world.clock.advance(24 * 3600)
    store.imports(rows(1), "run-2")
    store.enriches("run-2")
    (gone,) = store.gone().values()
    assert (gone["manga_id"], gone["title"]) == (title_id(2), wide[title_id(2)]["title"])
    assert (gone["left_at"], gone["dagster_run_id"]) == (store.world.clock.now(), "run-2")
    last = json.loads(gone["last_row"])
    assert (last["reading_level"], last["summary_en"]) == ("teen", wide[title_id(2)]["summary_en"])
    expected = dict.fromkeys(SINGLES, "succeeded") | {"similar_series": "insufficient_input"}  # it had no candidates
    assert {each["analysis"]: each["outcome"] for each in gone["outcomes"]} == expected
    assert [left for _report, left in store.reports] == [0, 1]


def test_why_a_title_left(store: Store) -> None:
    store.imports(rows(1, 2, 3))
    store.imports([*rows(1), catalog_row(2, title=None)])
    gone = {number: store.gone()[title_id(number)] for number in (2, 3)}
    assert (gone[2]["reason"], gone[2]["detail"]) == ("rejected", "missing_title")
    assert gone[3]["reason"] == "not_in_source"
    assert gone[3]["detail"].endswith("a.jsonl")
    assert json.loads(gone[3]["last_row"])["manga_id"] == title_id(3), "the catalog's row: nothing was answered yet"
    store.imports(rows(4), name="b")
    assert store.gone()[title_id(1)]["reason"] == "source_replaced"
    assert store.gone()[title_id(1)]["detail"].endswith("b.jsonl")
    assert store.gone()[title_id(2)] == gone[2], "it left before"


def test_a_title_that_returns_has_no_tombstone(store: Store) -> None:
    store.imports(rows(1, 2, 3))
    store.imports(rows(1))
    store.imports(rows(1, 2))
    assert set(store.gone()) == {title_id(3)}
    assert store.ids() == {title_id(1), title_id(2)}


BEFORE, BETWEEN = (1, 2, 3), (1, 3, 4)


def calls_of_an_import(folder: Path) -> int:
    store = Store(folder)
    store.imports(rows(*BEFORE))
    switch = KillSwitch()
    switch.arm(1_000, after_effect=False)
    store.imports(rows(*BETWEEN), tables=Mortal(store.tables, switch))
    assert switch.calls_left is not None
    return 1_000 - switch.calls_left


CALLS = 24


def test_the_kill_points_are_all_calls_of_an_import(tmp_path: Path) -> None:
    assert calls_of_an_import(tmp_path) == CALLS


@pytest.mark.slow
@pytest.mark.parametrize("then", [BEFORE, BETWEEN, (2, 4)], ids=["the source is as before", "the same", "another"])
@pytest.mark.parametrize(("call", "after"), list(itertools.product(range(CALLS), (False, True))))
def test_killed_at_any_call_every_title_is_in_the_catalog_or_has_a_tombstone(
    store: Store, call: int, after: bool, then: tuple[int, ...]
) -> None:
    store.imports(rows(*BEFORE))
    follower = Follower(store.tables, "catalog_changes")
    follower.look()
    switch = KillSwitch()
    switch.arm(call, after_effect=after)
    with pytest.raises(Killed):
        store.imports(rows(*BETWEEN), "killed", tables=Mortal(store.tables, switch))
    known = {title_id(number) for number in BEFORE}
    assert known <= store.ids() | set(store.gone())
    store.imports(rows(*then), "next")
    was_in = {title_id(number) for number in BEFORE} | store.ids()
    assert store.ids() == {title_id(number) for number in then}
    assert was_in <= store.ids() | set(store.gone())
    assert not store.ids() & set(store.gone())
    follower.look()
    follower.assert_equals_the_table([BUCKET])
    follower.assert_versions_are_a_chain()
