"""The job `ask_again` over HTTP: its titles by a query, three calls, and nights after it that bill nothing."""

from collections.abc import Callable

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.local.stack.model_control import ModelServerControl


def night() -> None:
    job = build_definitions().resolve_job_def(NIGHTLY_JOB)
    assert job.execute_in_process(tags=range_tags("0", "1")).success


def test_the_job_finds_its_titles_by_a_query(
    arrange: Callable[..., dict[str, str]], model_server: ModelServerControl
) -> None:
    arrange(12, catalog_buckets=2, concurrency=4)
    night()
    before = model_server.counters()["billed"]
    where = "SELECT manga_id FROM reading_level ORDER BY manga_id LIMIT 3"
    wish = {"analysis": "reading_level", "because": "too young", "by": "ed", "where": where}
    job = build_definitions().get_job_def("ask_again")
    for dry_run, calls in ((True, 0), (False, 3), (False, 3)):
        config = {"ops": {"ask_titles_again": {"config": {**wish, "dry_run": dry_run}}}}
        assert job.execute_in_process(run_config=config).success
        assert model_server.counters()["billed"] - before == calls
    night()
    assert model_server.counters()["billed"] - before == 3
