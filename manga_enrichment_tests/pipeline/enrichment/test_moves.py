"""What lists of an earlier method will cost to be moved, said before, is what the run after moving them asks."""

import tempfile
from datetime import date
from pathlib import Path

from manga_enrichment.domain.prompts.candidates import candidate_of
from manga_enrichment.pipeline.candidates.refresh import CandidateReport, refresh_candidates
from manga_enrichment.pipeline.enrichment.plan_run import Moves, Planning
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, MODELS, World, candidates_table, put_catalog, record
from manga_enrichment_tests.pipeline.candidates.catalogs import shared_index

THEMES = ("baseball", "cooking", "detectives")
RECORDS = [record(number, themes=(THEMES[number % 3],)) for number in range(24)]


def put_titles(world: World) -> None:
    """The catalog, with lists that no method of today drew."""
    put_catalog(world.tables, RECORDS)
    shown = [candidate_of(each) for each in RECORDS]
    rows = [(each.manga_id, [shown[(at + step) % 24] for step in (1, 2, 4, 5, 7)]) for at, each in enumerate(RECORDS)]
    world.tables.write(table_key("similar_candidates", BUCKET), candidates_table(rows))


def moves(world: World) -> Moves:
    planning = Planning(tables=world.tables, ledger=world.ledger, analyses=world.analyses, models=MODELS)
    return planning.moves([BUCKET], list(ANALYSES))


def refresh(world: World, share: float) -> CandidateReport:
    [report] = refresh_candidates(
        tables=world.tables,
        buckets=[BUCKET],
        catalog_version="moves",
        index=lambda: shared_index(world.tables, Path(tempfile.mkdtemp())).get("moves"),
        today=date(2026, 11, 28),
        share=share,
        say=lambda _line: None,
        limit=5,
    )
    return report


def test_what_is_said_before_is_what_is_asked_after() -> None:
    world = World()
    put_titles(world)
    world.run()
    assert refresh(world, 0).changed == 0
    assert world.plan("run-2").calls == 0
    said = moves(world)
    assert said.titles == said.calls > 0
    assert refresh(world, 1).changed == said.titles
    planned = world.plan("run-3")
    assert planned.calls == said.calls
    # The first call of a run is planned at the price of writing the prompt cache.
    assert said.cost_micro_usd <= planned.estimated_micro_usd < 1.1 * said.cost_micro_usd
    assert moves(world) == Moves()


def test_titles_that_would_be_asked_anyway_add_nothing() -> None:
    world = World()
    put_titles(world)
    waiting = refresh(world, 0).waiting
    said = moves(world)
    assert waiting > 12
    assert (said.titles, said.calls) == (waiting, 0)


def test_where_nothing_was_drawn_yet_nothing_waits() -> None:
    world = World()
    put_catalog(world.tables, RECORDS)
    assert moves(world) == Moves()
