"""An editor sets an answer right: at once, through a night with another prompt, for a partner, until taken back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from manga_enrichment.assembly import build_definitions
from manga_enrichment.cli import main
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.local.demo.lane import InProcessLane
from manga_enrichment.local.stack.model_control import ModelServerControl

GENRE = "genre_classification"
PACKAGED = Path(__file__).parents[2] / "manga_enrichment/domain/analyses/packaged"
FIELD = ("--analysis", GENRE, "--field", "primary_genre", "--by", "ab", "--because", "read it")


def command(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def night() -> int:
    """Titles that `enriched_catalog` says are corrected."""
    result = build_definitions().resolve_job_def(NIGHTLY_JOB).execute_in_process(tags=range_tags("0", "0"))
    assert result.success
    [made] = [
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.materialization.asset_key == dg.AssetKey("enriched_catalog")
    ]
    return int(made["corrected"].value)


def rows(query: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command("sql", query, "--format", "json").splitlines()]


def wide(manga_id: str) -> tuple[Any, Any]:
    [row] = [each for each in rows("SELECT * FROM enriched_catalog") if each["manga_id"] == manga_id]
    return row["primary_genre"], row["corrected"]


def model_says(manga_id: str) -> tuple[Any, Any]:
    [row] = [each for each in rows("SELECT * FROM genre_classification") if each["manga_id"] == manga_id]
    return row["primary_genre"], row["prompt_version"]


def partner_gets(manga_id: str, folder: Path) -> tuple[Any, Any]:
    body = folder / "batch.json"
    body.write_text(json.dumps({"items": [{"manga_id": manga_id, "analysis_type": GENRE}]}), "utf-8")
    request_id = json.loads(command("submit", body, "--partner", "acme", "--json"))["request_id"]
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        runs = InProcessLane(build_definitions(), instance).work(["partner_requests"])
    assert [each.success for each in runs] == [True]
    [item] = json.loads(command("results", request_id))["items"]
    assert item["from_cache"]
    return item["answer"]["primary_genre"], item["corrected"]


def test_a_corrected_genre_stands_until_it_is_taken_back(
    arrange: Callable[..., dict[str, str]],
    model_server: ModelServerControl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrange(12, catalog_buckets=1, concurrency=8, requests_per_minute=60_000, residents="false")
    assert night() == 0
    [first, *_] = rows("SELECT * FROM genre_classification ORDER BY manga_id")
    manga_id, models = first["manga_id"], first["primary_genre"]
    right = "mystery" if models != "mystery" else "romance"
    assert (wide(manga_id), partner_gets(manga_id, tmp_path)) == ((models, None), (models, []))

    assert f"{right} (was {models})" in command("correct", "--title", manga_id, *FIELD, "--value", right)
    assert (wide(manga_id), partner_gets(manga_id, tmp_path)) == (
        (right, ["primary_genre"]),
        (right, ["primary_genre"]),
    )

    folder = tmp_path / "analyses"
    folder.mkdir()
    text = (PACKAGED / f"{GENRE}.toml").read_text("utf-8").replace('version = "1"\n', "")
    (folder / f"{GENRE}.toml").write_text(
        text.replace("Genre classification\n", "Genres, as a shop has them\n"), "utf-8"
    )
    monkeypatch.setenv("MANGA_ANALYSES_DIR", str(folder))
    before, version = model_server.counters()["billed"], model_says(manga_id)[1]
    assert night() == 1
    assert model_server.counters()["billed"] > before
    assert model_says(manga_id)[0] == models
    assert model_says(manga_id)[1] != version
    assert (wide(manga_id), partner_gets(manga_id, tmp_path)) == (
        (right, ["primary_genre"]),
        (right, ["primary_genre"]),
    )

    command("correct", "--title", manga_id, *FIELD, "--take-back")
    assert (wide(manga_id), partner_gets(manga_id, tmp_path)) == ((models, None), (models, []))
    assert night() == 0
    assert wide(manga_id) == (models, None)
    changed = rows(
        "SELECT * FROM enriched_changes WHERE kind = 'changed' AND field = 'primary_genre' ORDER BY changed_at"
    )
    changes = [each for each in changed if each["manga_id"] == manga_id]
    assert [(json.loads(each["from_value"]), json.loads(each["to_value"])) for each in changes] == [
        (models, right),
        (right, models),
    ]
    assert {each["dagster_run_id"] for each in changes} == {"correction"}
