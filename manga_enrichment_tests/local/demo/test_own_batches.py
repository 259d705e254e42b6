"""The demo's batches are about titles that the catalog has."""

import json
from pathlib import Path
from typing import Any

from manga_enrichment.local.demo.own_batches import UNKNOWN, batches_for
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.runtime.shipped import shipped
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, ORIGIN, World, bare_record, put_catalog, record, title_id

SHIPPED = shipped("data/batches")


def ids(folder: Path) -> dict[str, list[str | None]]:
    files = {file.name: json.loads(file.read_text("utf-8")) for file in folder.glob("*.json")}
    return {name: [item.get("manga_id") for item in body["items"]] for name, body in files.items()}


def with_catalog(titles: list[Any]) -> World:
    world = World()
    put_catalog(world.tables, titles)
    world.run()
    write_enriched(world.tables, BUCKET, list(ANALYSES.values()), ORIGIN)
    return world


def test_titles_of_another_catalog_stand_in_for_those_of_the_sample(tmp_path: Path) -> None:
    world = with_catalog([bare_record(0), *(record(number) for number in range(1, 12))])
    folder = batches_for(world.tables, [BUCKET], SHIPPED, tmp_path / "batches")
    assert folder == tmp_path / "batches"
    before, after = ids(SHIPPED), ids(folder)
    assert before.keys() == after.keys()
    one_to_one = {(old, new) for name in before for old, new in zip(before[name], after[name], strict=True)}
    assert len({old for old, _ in one_to_one}) == len({new for _, new in one_to_one}) == len(one_to_one)
    own = {title_id(number) for number in range(1, 12)}
    kept = {old for old, new in one_to_one if old == new}
    assert kept == {UNKNOWN, "MNG-abc", None}, "what is wrong on purpose stays wrong"
    assert {new for _, new in one_to_one} - kept <= own, "titles with answers"
    assert ids(batches_for(world.tables, [BUCKET], SHIPPED, tmp_path / "batches")) == after, "as often as it is asked"


def test_the_shipped_batches_are_sent_where_the_catalog_has_their_titles(tmp_path: Path) -> None:
    named = {each for names in ids(SHIPPED).values() for each in names if each and len(each) == len(UNKNOWN)} - {
        UNKNOWN
    }
    world = with_catalog([record(number, manga_id=each) for number, each in enumerate(sorted(named))])
    assert batches_for(world.tables, [BUCKET], SHIPPED, tmp_path / "batches") == SHIPPED


def test_without_any_title_the_shipped_ones_are_sent(tmp_path: Path) -> None:
    assert batches_for(World().tables, [BUCKET], SHIPPED, tmp_path / "batches") == SHIPPED


def test_a_catalog_of_few_titles_is_asked_about_those(tmp_path: Path) -> None:
    world = with_catalog([record(1)])
    found = ids(batches_for(world.tables, [BUCKET], SHIPPED, tmp_path / "batches"))
    assert title_id(1) in found["good.json"]
