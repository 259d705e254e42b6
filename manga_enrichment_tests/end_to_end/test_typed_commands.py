"""Every `manga-enrichment ...` of the pages, typed in their order over a catalog that a night enriched, to its end."""

import csv
import json
import re
import shlex
import subprocess
import uuid
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from manga_enrichment.assembly import build_definitions
from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.cli import main
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.requests.claims import Claimed
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.local.demo.lane import InProcessLane, run_here
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.documents import REPOSITORY, Command, commands
from manga_enrichment_tests.request_rows import make_row

TITLE = "MNG-C4G0F4AW"
TITLES = 96
SECRET = "of these tests and nobody else's, long enough"
EXCERPTS = REPOSITORY / "manga_enrichment_tests" / "domain" / "models"
MODEL = """
[[model]]
id = "example.a-model-of-ours-v1:0"
input = 100
output = 500
max_input_tokens = 100000
max_output_tokens = 4000
source = "ours"
"""
SERVES = {
    "manga-enrichment dev": "end_to_end/test_wheel.py; --fleet: fleet/test_killed_tasks.py",
    "manga-enrichment browse": "browse/test_in_browser.py",
    "manga-enrichment --local browse": "the same",
}
"""Beginnings of lines that have no end before Ctrl-C, and which tests start what they start."""
QUESTION = {"query": "灯台の漫画は？", "conversation_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7"}
README_DOCUMENT = re.compile(r"^    mkdir -p analyses;.*?^    END$", re.MULTILINE | re.DOTALL)
BY_DEFAULT = {"trial": "--titles 30", "promote": "--canary 50"}
SMALLER = {"--titles 200": "--titles 30", "--titles 50": "--titles 12", "--canary 5 ": "--canary 50 "}
"""What the pages say of a catalog of thousands, for one of these tests; and what they leave to the default."""


def typed(command: str) -> Result:
    """As a shell takes it, without its redirection and without `--local`: the stack is in the environment already."""
    words = shlex.split(command.partition(" > ")[0])[1:]
    said = [word for word in words if word not in ("--local", "--open")]  # nobody is there to look at a browser
    return CliRunner().invoke(main, said, input="y\n")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's folder, with what the pages have put there: catalog, documents, truth."""
    monkeypatch.chdir(tmp_path)
    rows = (REPOSITORY / "data/catalog/sample.jsonl").read_text("utf-8").splitlines()[:TITLES]
    assert TITLE in rows[0]
    (tmp_path / "catalog.jsonl").write_text("\n".join(rows), "utf-8")
    (tmp_path / "question.json").write_text(json.dumps(QUESTION))
    (tmp_path / "models.toml").write_text(MODEL)
    (tmp_path / "mapping.json").write_text(json.dumps({name: name for name in ("manga_id", "title", "synopsis")}))
    (tmp_path / "labels.csv").write_text(f"manga_id,reading_level\n{TITLE},teen\n")
    packaged = REPOSITORY / "manga_enrichment/domain/analyses/packaged/reading_level.toml"
    text = packaged.read_text("utf-8").replace('version = "1"\n', "")
    (tmp_path / "by_age.toml").write_text(text.replace('"themes", "synopsis",', '"synopsis",'))
    found = README_DOCUMENT.search((REPOSITORY / "README.md").read_text("utf-8"))
    assert found is not None
    subprocess.run(["bash", "-c", re.sub("^    ", "", found[0], flags=re.MULTILINE)], cwd=tmp_path, check=True)
    return tmp_path


@pytest.fixture
def world(
    aws_environment: dict[str, str],
    fresh_stack_state: None,
    local_stack: LocalStack,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """What stands for the words in capitals, after a night and two requests, one of which has ended."""
    monkeypatch.setenv("MANGA_CATALOG_URI", str(files / "catalog.jsonl"))
    monkeypatch.setenv("MANGA_CATALOG_BUCKETS", "2")
    monkeypatch.setenv("MANGA_ANALYSES_DIR", str(files / "analyses"))
    monkeypatch.setenv("MANGA_CALLBACK_SECRET", SECRET)
    settings = load_settings()
    definitions = build_definitions(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        keys = bucket_keys(settings.catalog_buckets)
        assert run_here(definitions, instance, NIGHTLY_JOB, range_tags(keys[0], keys[-1])).success
        batch = f"submit {REPOSITORY}/data/batches/good.json --partner acme"
        ended = typed(f"manga-enrichment {batch}").stdout.split()[0]
        InProcessLane(definitions, instance).work()
    fetch_tables(local_stack, files / ".local" / "tables")
    return SMALLER | {
        "REQUEST_ID OTHER_REQUEST_ID": " ".join(queued(str(uuid.uuid4())) for _ in range(2)),
        "REQUEST_ID": ended,
        "USER_ID": "a-user",
        "data/batches/": f"{REPOSITORY}/data/batches/",
        "MAPPING": "mapping.json",
        " DIR": " generated",
        "MODEL_ID": "us.meta.llama4-scout-17b-instruct-v1:0",
        "TABLE": str(EXCERPTS / "litellm_excerpt.json"),
        "PRICE_LIST": str(EXCERPTS / "aws_price_list_excerpt.json"),
        "[--family amazon]": "--family amazon",
        "SHEET": "sheet.csv",
    }


def fetch_tables(local_stack: LocalStack, folder: Path) -> None:
    """As `make demo` shows tables in a folder."""
    s3, bucket = local_stack.client("s3"), local_stack.endpoints.bucket
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="enrichment/"):
        for each in page["Contents"]:
            file = folder / each["Key"].removeprefix("enrichment/")
            file.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, each["Key"], str(file))


def queued(request_id: str) -> str:
    """A request that a worker knows and has not begun."""
    gateways = open_gateways(load_settings())
    claimed = gateways.requests.claim(
        make_row(gateways.clock, request_id=request_id, partner_id="another"), gateways.clock.now()
    )
    assert isinstance(claimed, Claimed)
    gateways.requests.update(request_id, claimed.row.owner, claimed.row.generation, RequestState.QUEUED)
    return request_id


def filled(command: Command, world: dict[str, str]) -> str:
    line = command.text
    for word, value in world.items():
        line = line.replace(word, value)
    for command_name, option in BY_DEFAULT.items():
        if f" {command_name} " in line and option.split()[0] not in line:
            line += f" {option}"
    return line.replace("FILE", "catalog.jsonl" if command.page == "docs/catalog.md" else "models.toml")


def fill_in(sheet: Path) -> None:
    """As a person would between the two lines of the page."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "reading_level": "teen"} for row in rows)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_command_of_the_pages_ends_well(world: dict[str, str], files: Path) -> None:
    ended: dict[str, Result] = {}
    for command in commands("manga-enrichment"):
        if " ".join(command.words()).startswith(tuple(SERVES)):
            continue
        line = filled(command, world)
        ended[f"{command.page}: {line}"] = typed(line)
        if "--out sheet.csv" in line:
            fill_in(files / "sheet.csv")
    assert len(ended) > 60
    failed = [f"{line}: {result.output[-300:]}" for line, result in ended.items() if result.exit_code]
    assert not failed, "\n".join(failed)
    said = {line.partition(": ")[2]: result.output for line, result in ended.items()}
    (moods,) = (output for line, output in said.items() if "FROM mood" in line)
    assert "titles" in moods
    assert "full_enrichment: asking" in said["manga-enrichment canary status"]
    assert (files / "settings.env").read_text("utf-8").startswith("MANGA_LANE_MODELS=")
    assert (files / "trial.html").stat().st_size > 1_000
