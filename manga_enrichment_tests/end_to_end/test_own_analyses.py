"""Two analyses, each a TOML file alone: asked for a night, by a partner, over HTTP, and queried by SQL."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from manga_enrichment.api.cloudformation import template_yaml
from manga_enrichment.assembly import build_definitions
from manga_enrichment.cli import main
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.local.api_client import ApiClient, api_key, api_url
from manga_enrichment.local.demo.lane import InProcessLane
from manga_enrichment.local.model_server.answers.made_up import SAYS_SO
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.local.stack.provision import deploy_stack
from manga_enrichment.settings import known_analyses, load_settings
from manga_enrichment_tests.end_to_end.books import Books

EXAMPLES = Path(__file__).parents[2] / "data" / "analyses"
OWN = ("mood", "story_setting")
TITLES = 60
QUIET = """
[answer.properties.quiet]
type = "boolean"
description = "Whether it can be read before sleep."
"""


def command(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def night() -> None:
    result = build_definitions().resolve_job_def(NIGHTLY_JOB).execute_in_process(tags=range_tags("0", "0"))
    assert result.success
    checks = [each for each in result.get_asset_check_evaluations() if each.check_name == "rows_are_valid"]
    assert checks
    assert all(each.passed for each in checks)


def rows(query: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command("sql", query, "--format", "json").splitlines()]


def answered(books: Books, name: str) -> int:
    return Counter(outcome for outcome, _ in books.outcomes(name).values())[Outcome.SUCCEEDED]


def test_two_documents_are_asked_for_a_night_by_a_partner_and_by_sql(
    arrange: Callable[..., dict[str, str]],
    model_server: ModelServerControl,
    open_books: Callable[[], Books],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrange(TITLES, catalog_buckets=1, concurrency=8, requests_per_minute=60_000, residents="false")
    night()
    before = model_server.counters()

    folder = tmp_path / "analyses"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("MANGA_ANALYSES_DIR", str(folder))
    estimated = json.loads(command("estimate", "--json"))
    night()

    asked, books = model_server.counters(), open_books()
    count = {name: answered(books, name) for name in OWN}
    assert min(count.values()) > TITLES / 2
    assert asked["billed"] - before["billed"] == sum(count.values()) == estimated["calls"]  # nothing of the packaged
    assert {name: len(books.outcomes(name)) for name in OWN} == dict.fromkeys(OWN, len(books.catalog_ids()))
    books.assert_bill_is_logged(asked)

    night()
    assert model_server.counters()["billed"] == asked["billed"]
    assert json.loads(command("estimate", "--json"))["calls"] == 0

    moods = rows("SELECT mood, count(*) AS titles, avg(mood_intensity) AS intensity FROM mood GROUP BY mood")
    assert sum(row["titles"] for row in moods) == count["mood"]
    assert len(moods) == 5
    wide = rows(
        "SELECT manga_id, mood_pitch, setting_era, setting_evidence, story_setting_answered_at FROM enriched_catalog "
        "WHERE mood IS NOT NULL AND setting_era IS NOT NULL"
    )
    assert all(row["mood_pitch"].startswith(SAYS_SO) for row in wide)
    weights = [[each["weight"] for each in row["setting_evidence"]] for row in wide]
    assert all(each == sorted(each, reverse=True) for each in weights)
    assert max(map(len, weights)) > 1

    partner_asks(wide[0]["manga_id"], tmp_path, model_server)
    another_schema_is_another_question(folder / "mood.toml", count["mood"], model_server)


def partner_asks(manga_id: str, folder: Path, model_server: ModelServerControl) -> None:
    body = folder / "batch.json"
    items = [{"manga_id": manga_id, "analysis_type": name} for name in OWN]
    items.append(items[0] | {"additional_context": "For a shelf of rainy days."})
    body.write_text(json.dumps({"items": items}), "utf-8")
    quote = json.loads(command("requests", "quote", body, "--json"))
    billed = model_server.counters()["billed"]
    request_id = json.loads(command("submit", body, "--partner", "acme", "--json"))["request_id"]
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        assert [each.success for each in InProcessLane(build_definitions(), instance).work(["partner_requests"])] == [
            True
        ]
    document = json.loads(command("results", request_id))
    known, setting, noted = document["items"]
    assert document["counts"] == {"items": 3, "succeeded": 3}
    assert (known["from_cache"], setting["from_cache"], noted["from_cache"]) == (True, True, False)
    assert model_server.counters()["billed"] - billed == 1 == quote["counts"]["to_ask"]
    assert known["answer"].keys() == {"mood", "intensity", "pitch"}
    assert noted["prompt_version"] == known_analyses(load_settings()).get("mood").version
    assert setting["answer"].keys() == {"place", "era", "evidence"}


def another_schema_is_another_question(document: Path, titles: int, model_server: ModelServerControl) -> None:
    text = document.read_text("utf-8").replace("\n[columns.intensity]", f"{QUIET}\n[columns.intensity]", 1)
    document.write_text(text.replace('name = "mood_intensity"', 'name = "mood_strength"'), "utf-8")
    before = model_server.counters()["billed"]
    assert json.loads(command("estimate", "--json"))["calls"] == titles
    night()
    assert model_server.counters()["billed"] - before == titles
    [counted] = rows("SELECT count(quiet) AS quiet, count(mood_strength) AS strong FROM enriched_catalog")
    assert counted == {"quiet": titles, "strong": titles}


def test_the_api_of_ones_own_analyses_takes_them_and_refuses_what_is_none(
    aws_environment: dict[str, str],
    fresh_stack_state: None,
    local_stack: LocalStack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MANGA_ANALYSES_DIR", str(EXAMPLES))
    template = tmp_path / "api.yaml"
    analyses = known_analyses(load_settings()).for_partners
    template.write_text(template_yaml({"shelf": ["shelf-1"]}, analyses), "utf-8")
    outputs = deploy_stack(local_stack.client("cloudformation"), "own-api", template, {"AccessLog": "false"})
    url = api_url(local_stack.endpoints.emulator_url, outputs)
    client = ApiClient(url, api_key(local_stack.client("apigateway"), "shelf-1"))

    def status(analysis: str) -> int:
        body = {"items": [{"manga_id": "MNG-C4G0F4AW", "analysis_type": analysis}]}
        return client.call("POST", "/v1/manga/batch", body, {"Prefer": "respond-async"}).status

    assert [status(name) for name in (*OWN, "reading_level", "moods")] == [202, 202, 202, 400]
