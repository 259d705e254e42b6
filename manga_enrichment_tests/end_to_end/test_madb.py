"""A real catalog: 30,023 serializations, Japanese, hardly a synopsis among them; every title ends somewhere."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.store.object_keys import rejects_key
from manga_enrichment_tests.builders import SINGLES
from manga_enrichment_tests.end_to_end.books import Books

REPOSITORY = Path(__file__).resolve().parents[2]

SOURCE = REPOSITORY.parent / "shared" / "catalog" / "madb_serializations.parquet"
MAPPING = REPOSITORY / "data" / "catalog" / "madb_mapping.json"
ROWS = 30_023


@pytest.mark.skipif(not SOURCE.exists(), reason="the catalog derived from the Media Arts Database is not here")
def test_every_row_of_a_real_catalog_is_written_has_too_little_text_or_is_rejected(
    arrange: Callable[..., dict[str, str]],
    model_server: ModelServerControl,
    open_books: Callable[[], Books],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrange(1, catalog_buckets=8, catalog_mapping=MAPPING)
    monkeypatch.setenv("MANGA_CATALOG_URI", str(SOURCE))
    job = build_definitions().resolve_job_def(NIGHTLY_JOB)
    assert job.execute_in_process(tags=range_tags("0", "7"), raise_on_error=False).success

    books = open_books()
    titles = books.catalog_ids()
    rejects = books.tables.read(rejects_key())
    assert len(titles) + (rejects.table.num_rows if rejects else 0) == ROWS
    books.assert_every_title_is_accounted_for()
    for name in SINGLES:
        outcomes = Counter(outcome for outcome, _ in books.outcomes(name).values())
        assert set(outcomes) <= {"succeeded", "insufficient_input"}
        assert outcomes["insufficient_input"] > 0.9 * ROWS
    bill = model_server.counters()
    assert len(books.attempts()) == bill["billed"]
