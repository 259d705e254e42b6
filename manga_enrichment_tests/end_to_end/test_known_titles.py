"""A conversation knows the catalog: it is shown the titles that it is about, and names no others by id."""

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from manga_enrichment.assembly import build_definitions
from manga_enrichment.cli import main
from manga_enrichment.defs.enrichment.jobs import CATALOG_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.local.demo.lane import InProcessLane

SESSION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
SHOWN, OTHER, NOBODY = "MNG-LANTERN1", "MNG-INKWELL1", "MNG-ZZZZ9999"
TITLES = [
    {"manga_id": SHOWN, "title": f"Lanternfall {NOBODY}", "genres": ["Fantasy"]},  # a name that passes for an id
    {"manga_id": OTHER, "title": "霧笛の港町", "title_kana": "ムテキノミナトマチ"},
]


@pytest.fixture
def ask(arrange: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """A query by the command line and the session's queue; the reply as the partner gets it."""
    arrange(1, catalog_buckets=1, residents="false")
    catalog, question = tmp_path / "titles.jsonl", tmp_path / "question.json"
    catalog.write_text("\n".join(map(json.dumps, TITLES)), "utf-8")
    monkeypatch.setenv("MANGA_CATALOG_URI", str(catalog))
    definitions = build_definitions()
    instance = dg.DagsterInstance.ephemeral(tempdir=str(tmp_path))
    lane = InProcessLane(definitions, instance)

    def command(*arguments: str) -> str:
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == 0, result.output
        return result.stdout

    def ask(query: str, *, indexed: bool = True) -> str:
        if indexed:
            job = definitions.resolve_job_def(CATALOG_JOB)
            assert job.execute_in_process(tags=range_tags("0", "0"), instance=instance).success
        question.write_text(json.dumps({"query": query, "conversation_id": SESSION}), "utf-8")
        sent = json.loads(command("submit", str(question), "--partner", "acme", "--schema", "manga_query", "--json"))
        assert [result.success for result in lane.work(["partner_conversations"])] == [True]
        [item] = json.loads(command("results", sent["request_id"]))["items"]
        return str(item["answer"]["reply"])

    return ask


def test_a_question_is_answered_from_the_title_that_it_means_and_strange_ids_are_taken_out(
    ask: Callable[..., str],
) -> None:
    before = ask("What is lantern fal about?", indexed=False)
    assert "catalog" not in before, "nothing was indexed yet"
    assert ask("What is lantern fal about?").startswith(f"The catalog has Lanternfall ({SHOWN}).")
    assert f"霧笛の港町 ({OTHER})" in ask("muteki no minatomachi")
    by_id = ask(f"And {OTHER.lower()}, compared with {NOBODY}?")
    assert OTHER in by_id
    assert NOBODY not in by_id
