"""The curl lines of docs/api.md, each run by a shell as a partner would, while a worker answers."""

import csv
import json
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.local.api_client import api_key
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.store.object_keys import result_document_key
from manga_enrichment_tests.end_to_end.front import Front
from manga_enrichment_tests.end_to_end.test_around_requests import ended_by_worker
from manga_enrichment_tests.end_to_end.test_request_front_waits import Worker, while_waiting

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
TEXT = PAGE.read_text("utf-8")
POSTS = re.findall(r"^    (curl -s \"\$API/v1/manga/(?:batch|query|chat)\".*(?:\n +-.*)+)", TEXT, re.MULTILINE)
(QUOTE,) = re.findall(r"^    (curl -s \"\$API/v1/manga/quote\".*\n +-.*)", TEXT, re.MULTILINE)
(STATUS,) = re.findall(r"^    (curl -s \"\$API/v1/manga/status/.*)", TEXT, re.MULTILINE)
LIST, CANCEL, USAGE = re.findall(r"^    (curl -s .*\"\$API/v1/manga/(?:requests|usage).*)", TEXT, re.MULTILINE)
RESULTS, AS_NDJSON, AS_CSV = re.findall(r"^    (curl -s \"\$API/v1/manga/results/.*(?:\n +\|.*)?)", TEXT, re.MULTILINE)
EXAMPLE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


def run(line: str, front: Front) -> dict[str, Any]:
    environment = {"API": front.url, "API_KEY": api_key(front.apigateway, "acme-1"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, check=True, timeout=60)
    return dict(json.loads(done.stdout))


def test_the_page_has_lines_to_run() -> None:
    assert len(POSTS) == 3


@pytest.mark.parametrize("line", POSTS)
def test_a_post_of_the_page_works_and_so_does_its_status(line: str, local_stack: LocalStack) -> None:
    front = Front(local_stack)
    front.take_all()
    posted, row = while_waiting(lambda: run(line, front), Worker(local_stack, front).answer)
    data = posted["data"]
    assert (posted["success"], data["request_id"]) == (True, row.request_id)
    waits = "/batch" not in line or "wait=" in line
    assert data["status"] == ("completed" if waits else "accepted")
    status = run(EXAMPLE_ID.sub(data["request_id"], STATUS), front)
    assert status["data"]["status"] == "completed"


def test_the_price_of_the_page_is_told(local_stack: LocalStack) -> None:
    front = Front(local_stack)
    front.take_all()
    told, quote = while_waiting(lambda: run(QUOTE, front), lambda: ended_by_worker(local_stack, front))
    assert quote["counts"]["items"] == 1
    assert told["data"]["quote"] == quote


def test_results_of_the_page_are_fetched_and_made_into_lines_and_rows(
    local_stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front, request_id = Front(local_stack), str(uuid.uuid4())
    item = {
        "position": 0,
        "reference": 'a "b", 棚',
        "manga_id": "MNG-C4G0F4AW",
        "status": "succeeded",
        "answer": {"x": 1},
    }
    document = {"request_id": request_id, "items": [item, {**item, "position": 1}]}
    key = result_document_key("acme", request_id)
    local_stack.client("s3").put_object(
        Bucket=local_stack.endpoints.bucket, Key=key, Body=json.dumps(document).encode()
    )
    assert run(EXAMPLE_ID.sub(request_id, RESULTS), front)["data"] == document
    if shutil.which("jq") is None:
        pytest.skip("needs jq")
    monkeypatch.chdir(tmp_path)
    for line in (AS_NDJSON, AS_CSV):
        run(f"ID={request_id}; {line}; echo '{{}}'", front)
    lines = (tmp_path / "items.ndjson").read_text("utf-8").splitlines()
    assert [json.loads(each) for each in lines] == document["items"]
    with (tmp_path / "items.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [[str(each), 'a "b", 棚', "MNG-C4G0F4AW", "succeeded", '{"x":1}'] for each in (0, 1)]


def test_a_request_of_the_page_is_listed_and_cancelled_and_the_month_is_told(local_stack: LocalStack) -> None:
    front = Front(local_stack)
    front.take_all()
    line = next(each for each in POSTS if "/batch" in each and "wait=" not in each)
    request_id = run(re.sub(r'-H "Idempotency-Key:[^"]*"', "", line), front)["data"]["request_id"]
    assert run(LIST, front)["data"]["requests"][0]["request_id"] == request_id
    cancelled = run(EXAMPLE_ID.sub(request_id, CANCEL), front)
    assert cancelled["data"]["cancel_requested"] is True
    assert run(USAGE, front)["success"] is True
    front.take_all()
