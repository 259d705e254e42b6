"""Three nights on the stack, followed by `enriched_changes` alone; before one of them a writer was killed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_of
from manga_enrichment.domain.tables.changes import CATALOG_CHANGES, ENRICHED_CHANGES
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.follower import Follower
from manga_enrichment_tests.kill_switch import Killed, KillSwitch, Mortal

pytestmark = pytest.mark.slow

TITLES = 200
BUCKETS = ["0", "1"]
CALLS_UNTIL_THE_TABLE_IS_PUT = 13  # list, read, catalog, four answers, four corrections, pending, table


class Catalog:
    """The source as a file that changes from night to night."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def change(self, night: int) -> list[str]:
        """A hundredth gets another synopsis, five titles leave: their ids."""
        for row in self.rows[night::100]:
            row["synopsis"] = f"{row['synopsis'] or ''} In the end of night {night} everybody is at home again."
        gone, self.rows = self.rows[-5:], self.rows[:-5]
        self._path.write_text("".join(f"{json.dumps(row)}\n" for row in self.rows), "utf-8")
        return [row["manga_id"] for row in gone]


def kill_between_a_table_and_its_changes(books: Books, bucket: str, left_out: str) -> None:
    """Somebody else's run: it puts the wide table without one answer, and dies."""
    key = table_key("reading_level", bucket)
    answers = books.tables.read(key)
    assert answers is not None
    ids = answers.table.column("manga_id").to_pylist()
    books.tables.write(key, answers.table.filter([each != left_out for each in ids]))
    switch = KillSwitch()
    switch.arm(CALLS_UNTIL_THE_TABLE_IS_PUT - 1, after_effect=True)
    origin = Origin("killed", datetime.now(UTC))
    with pytest.raises(Killed):
        write_enriched(Mortal(books.tables, switch), bucket, list(ANALYSES.values()), origin)


def test_whoever_follows_three_nights_has_the_table_also_after_a_kill(
    arrange: Callable[..., dict[str, str]], open_books: Callable[[], Books], tmp_path: Path
) -> None:
    environment = arrange(TITLES, catalog_buckets=2, catalog_max_lost=0.2)
    catalog = Catalog(Path(environment["MANGA_CATALOG_URI"]))
    night = build_definitions().resolve_job_def(NIGHTLY_JOB)
    books = open_books()
    followers = [Follower(books.tables, name) for name in (ENRICHED_CHANGES, CATALOG_CHANGES)]
    gone: set[str] = set()
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        assert night.execute_in_process(tags=range_tags("0", "1"), instance=instance).success
        followers[0].look()
        answered = [row["manga_id"] for row in books.rows("reading_level")]
        victim = next(each for each in answered if bucket_of(each, 2) == "0")
        kill_between_a_table_and_its_changes(books, "0", victim)
        assert followers[0].look() == [], "the table has it, nobody was told"
        for number in (1, 2, 3):
            gone |= set(catalog.change(number))
            assert night.execute_in_process(tags=range_tags("0", "1"), instance=instance).success
            for follower in followers:
                follower.look()
                follower.assert_equals_the_table(BUCKETS)
                follower.assert_versions_are_a_chain()
    of_the_killed = [row for row in followers[0].rows if row["dagster_run_id"] == "killed"]
    assert {row["manga_id"] for row in of_the_killed} == {victim}
    assert "reading_level" in {row["field"] for row in of_the_killed}
    assert {row["manga_id"] for row in books.rows("catalog_tombstones")} == gone
    assert len(gone) == 15
