"""`manga-enrichment ask-again` over the local stack: shown first, asked with --yes, once."""

import json
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.cli.titles.ask_again import _listed
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.again.store import read_presses
from manga_enrichment_tests.builders import BUCKET, put_catalog, record, title_id
from manga_enrichment_tests.cli.conftest import Command

LEVEL = "reading_level"
WORDS = ("ask-again", "--analysis", LEVEL, "--because", "it names the killer", "--by", "ed")
IDS = ",".join(map(title_id, (1, 2, 3)))


@pytest.fixture(autouse=True)
def one_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `put_catalog` makes them."""
    monkeypatch.setenv("MANGA_CATALOG_BUCKETS", "1")


@pytest.fixture
def answered(command: Command, gateways: Gateways, fresh_stack_state: None) -> Gateways:
    """Four titles with a reading level."""
    put_catalog(gateways.tables, [record(number) for number in range(1, 5)])
    everything = ",".join(title_id(number) for number in range(1, 5))
    first = command("ask-again", "--analysis", LEVEL, "--because", "at first", "--titles", everything, "--yes")
    assert first.exit_code == 0, first.output
    assert "4 calls about 4 titles: 4 answered" in first.output
    return gateways


def document(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_titles_are_shown_first_asked_with_yes_and_only_once(
    command: Command, answered: Gateways, model_server: ModelServerControl
) -> None:
    before = model_server.counters()
    shown = command(*WORDS, "--titles", IDS)
    assert shown.exit_code == 0, shown.output
    assert [line.split()[0] for line in shown.output.splitlines()[:3]] == IDS.split(",")
    assert "3 titles, 3 calls (3 of reading_level), about 0.00" in shown.output
    assert shown.output.endswith("Nothing was asked: repeat with --yes.\n")
    assert model_server.counters() == before
    assert read_presses(answered.tables, BUCKET).numbers == {}

    asked = command(*WORDS, "--titles", IDS, "--yes")
    assert "3 calls about 3 titles: 3 answered" in asked.output
    after = model_server.counters()
    assert after["cost_micro_usd"] > before["cost_micro_usd"]
    again = command(*WORDS, "--titles", IDS, "--yes")
    assert "3: was asked again for the same reason before" in again.output
    assert model_server.counters() == after
    assert dict(read_presses(answered.tables, BUCKET).numbers) == {each: {LEVEL: 1} for each in IDS.split(",")}
    assert {row.by for row in read_presses(answered.tables, BUCKET).rows if row.number} == {"ed"}


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        (f"manga_id < '{title_id(3)}'", [title_id(1), title_id(2)]),
        ("SELECT manga_id, reading_level FROM reading_level ORDER BY manga_id DESC LIMIT 1", [title_id(4)]),
        ("WITH few AS (SELECT manga_id FROM catalog) SELECT manga_id FROM few WHERE manga_id LIKE '%3'", [title_id(3)]),
    ],
    ids=["a condition", "a query", "with"],
)
def test_a_query_says_which_titles(command: Command, answered: Gateways, where: str, ids: list[str]) -> None:
    found = document(command(*WORDS, "--where", where, "--json"))
    assert [title["manga_id"] for title in found["titles"]] == ids
    assert found["calls"] == {LEVEL: len(ids)}
    assert found["estimated_usd"] == pytest.approx(sum(title["estimated_usd"] for title in found["titles"]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--where", "manga_id = 'nobody'"), "No title fits, so nothing was asked"),
        (("--where", "SELECT title FROM catalog"), "It gives title: it has to give manga_id"),
        (("--where", "SELECT * FROM read_csv('/etc/passwd')"), "reads the published tables and nothing else"),
        (("--where", "1 = 1); DROP TABLE catalog; --"), "--where:"),
        (("--where", "no_column = 1"), "--where:"),
        (("--titles", "MNG-ZZZZZZZZ"), "The catalog has no title MNG-ZZZZZZZZ"),
        (("--titles", " , "), "No title is named"),
        (("--titles", "ids.txt"), "there is no file ids.txt"),
        ((), "either --titles or --where"),
        (("--titles", IDS, "--where", "true"), "either --titles or --where"),
        (("--titles", IDS, "--because", " "), "`because` is missing"),
        (("--titles", IDS, "--by", ""), "`by` is missing"),
        (("--titles", IDS, "--analysis", "mood"), "There is no analysis 'mood'"),
        (("--titles", IDS, "--analysis", "content_moderation"), "There is no analysis 'content_moderation' of titles"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    command: Command, answered: Gateways, words: tuple[str, ...], said: str
) -> None:
    result = command(*WORDS, *words, "--yes")
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert read_presses(answered.tables, BUCKET).numbers == {}


def test_titles_come_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text(f'\ufeffmanga_id,why\n"{title_id(2)}",wrong\n\n{title_id(1)} # the other\n{title_id(2)}\n', "utf-8")
    assert _listed(str(path)) == [title_id(2), title_id(1)]
