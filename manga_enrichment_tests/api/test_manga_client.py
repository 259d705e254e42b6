"""The Python of docs/partners.md, run as partners would copy it, against a server that answers as the API does."""

import json
import re
import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.requests.states import RequestState, is_final

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "partners.md").read_text("utf-8")
[RECIPE] = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "wait_for_results" in block]
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
STATUS, RESULTS = f"/v1/manga/status/{ID}", f"/v1/manga/results/{ID}"
Answer = tuple[int, dict[str, str], Any]


class Api:
    """answers: by path, one after the other. asked: paths with the key they came with."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.slept: list[float] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.asked.append((self.path, self.headers["x-api-key"]))
                status, headers, document = api.answers[self.path].pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_words: Any) -> None:
                """Tests are quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def wait(self) -> Any:
        names: dict[str, Any] = {}
        exec(compile(RECIPE, "docs/partners.md", "exec"), names)  # noqa: S102 - our own page
        return names["wait_for_results"](self.url, "the-key", ID, self.slept.append)


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    serving = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield made
    made.server.shutdown()
    serving.join()
    made.server.server_close()


def status(state: str, results_path: str | None = None) -> Answer:
    return 200, {}, {"success": True, "data": {"status": state, "results_path": results_path}}


def test_it_waits_longer_each_time_and_fetches_the_answers(api: Api) -> None:
    api.answers[STATUS] = [status("accepted"), status("processing"), status("deferred"), status("completed", RESULTS)]
    api.answers[RESULTS] = [(200, {}, {"data": {"items": ["…"]}})]
    assert api.wait() == {"items": ["…"]}
    assert api.slept == [1.0, 1.5, 2.25]
    assert set(api.asked) == {(STATUS, "the-key"), (RESULTS, "the-key")}


def test_it_comes_again_when_it_is_told_to(api: Api) -> None:
    busy: list[Answer] = [(429, {"Retry-After": "7"}, {}), (503, {"Retry-After": "5"}, {}), (500, {}, {})]
    api.answers[STATUS] = [*busy, status("completed", RESULTS)]
    api.answers[RESULTS] = [(429, {"Retry-After": "3"}, {}), (200, {}, {"data": {"items": []}})]
    assert api.wait() == {"items": []}
    assert api.slept == [7.0, 5.0, 4.0, 3.0]


def test_a_rejected_request_has_no_results_and_no_pause(api: Api) -> None:
    api.answers[STATUS] = [status("rejected")]
    assert (api.wait(), api.slept) == (None, [])


def test_what_is_not_ones_own_is_told_at_once(api: Api) -> None:
    api.answers[STATUS] = [(404, {}, {})]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        api.wait()
    assert api.slept == []


def test_every_final_state_ends_the_waiting() -> None:
    names: dict[str, Any] = {}
    exec(compile(RECIPE, "docs/partners.md", "exec"), names)  # noqa: S102 - our own page
    assert names["ENDED"] == {state.value for state in RequestState if is_final(state)}
