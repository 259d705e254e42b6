"""docs/partners.md, "The whole job over HTTP": its curl lines and its Python, run as partners would copy them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.end_to_end.front import LIMITS, Front
from manga_enrichment_tests.end_to_end.workers import workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DOCS = Path(__file__).resolve().parents[2] / "docs"
[SECTION] = re.findall(
    r"^## The whole job over HTTP\n(.*?)^## ", (DOCS / "partners.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)
WITH_CURL, WITH_PYTHON = SECTION.split("### With curl\n")[1].split("### With Python\n")
LINES = "\n".join(re.findall(r"^    (.*)$", WITH_CURL, re.MULTILINE))
[PROGRAM] = re.findall(r"```python\n(.*?)```", WITH_PYTHON, re.DOTALL)
_SECONDS = 300


@pytest.fixture(scope="module")
def environment(local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of a partner's shell, while workers answer."""
    front = Front(local_stack)
    with workers(local_stack, tmp_path_factory.mktemp("workers")):
        yield {"PATH": os.environ["PATH"], "API": front.url, "API_KEY": front.key(**LIMITS)["value"]}


def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        command, check=False, env=environment, cwd=folder, capture_output=True, text=True, timeout=_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_lines_are_of_every_endpoint() -> None:
    for endpoint in ENDPOINTS.values():
        if endpoint.name != "chat":  # as a question, with all messages
            assert endpoint.path.replace("{request_id}", "$ID") in LINES, endpoint.name


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
def test_the_lines_do_the_whole_job(environment: dict[str, str], tmp_path: Path) -> None:
    told = run(["bash", "-euo", "pipefail", "-c", LINES], environment, tmp_path)
    assert '"to_ask": 2' in told
    items = [json.loads(line) for line in told.splitlines() if line.startswith('["shelf')]
    assert [(item[0], item[2]) for item in items] == [("shelf 3", "succeeded"), ("shelf 4", "succeeded")]
    listed = [json.loads(line) for line in told.splitlines() if re.match(r'\["20\d\d-', line)]
    named = [(each[2], each[3]) for each in listed if each[3]]
    assert sorted(named) == [("batch_analysis", "import 7"), ("batch_quote", "import 7")]
    assert "completed" in told.splitlines()
    assert '"cancel_requested": true' in told


def test_the_program_does_the_whole_job(environment: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(DOCS / "manga_client.py", tmp_path)
    told = run([sys.executable, "-W", "error", "-c", PROGRAM], environment, tmp_path)
    assert "{'items': 2, 'to_ask': 2} typically 0.0" in told
    assert len(re.findall(r"^MNG-\w{8} succeeded \{", told, re.MULTILINE)) == 2
    assert len(re.findall(r"^20\d\d-\S+ batch_analysis import 8 completed 0\.0", told, re.MULTILINE)) >= 1
    assert told.splitlines()[-1].startswith("409 ALREADY_ENDED: ")
