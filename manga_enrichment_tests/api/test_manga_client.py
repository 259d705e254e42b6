"""docs/manga_client.py, as partners copy it, against a server that answers as the API does."""

import ast
import http.client
import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from manga_enrichment.domain.requests.states import RequestState, is_final

FILE = Path(__file__).resolve().parents[2] / "docs" / "manga_client.py"
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
STATUS, RESULTS = f"/v1/manga/status/{ID}", f"/v1/manga/results/{ID}"
BATCH, QUOTE, LIST = (f"/v1/manga/{each}" for each in ("batch", "quote", "requests?limit=50"))
Answer = tuple[int, dict[str, str], Any]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("manga_client", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CLIENT = load()


class Api:
    """answers: by path, one after the other; bytes break off. asked: method, path and headers in lower case."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.slept: list[float] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                api.asked.append((self.command, self.path, headers, json.loads(body) if body else None))
                status, more, document = api.answers[self.path].pop(0)
                text = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_DELETE = do_GET  # noqa: N815 - names of http.server

            def log_message(self, *_words: Any) -> None:
                """Tests are quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.manga = CLIENT.Manga(self.url + "/", "the-key", self.slept.append)

    def headers(self, name: str) -> list[str | None]:
        return [headers.get(name) for _, _, headers, _ in self.asked]


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    serving = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield made
    made.server.shutdown()
    serving.join()
    made.server.server_close()


def done(code: int = 200, /, **data: Any) -> Answer:
    return code, {}, {"success": True, "data": data}


def status(state: str, results_path: str | None = None) -> Answer:
    return done(status=state, results_path=results_path, problems=[])


def refused(status: int, **headers: str) -> Answer:
    error = {"code": "A_CODE", "message": "Words.", "problems": [{"path": "items.0", "message": "is none"}]}
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, {"error": error}


BROKEN_OFF: Answer = 200, {"Content-Length": "100"}, b'{"data": {'
NO_JSON: Answer = 503, {}, b"<html>"


def test_it_waits_longer_each_time_and_fetches_the_answers(api: Api) -> None:
    api.answers[STATUS] = [status("accepted"), status("processing"), status("deferred"), status("completed", RESULTS)]
    api.answers[RESULTS] = [done(items=["…"])]
    assert api.manga.results(ID) == {"items": ["…"]}
    assert api.slept == [1.0, 1.5, 2.25]
    assert {(path, headers["x-api-key"]) for _, path, headers, _ in api.asked} == {
        (STATUS, "the-key"),
        (RESULTS, "the-key"),
    }


def test_it_comes_again_when_it_is_told_to(api: Api) -> None:
    busy = [refused(429, Retry_After="7"), refused(503, Retry_After="5"), refused(500), BROKEN_OFF, NO_JSON]
    api.answers[STATUS] = [*busy, status("completed", RESULTS)]
    api.answers[RESULTS] = [refused(429, Retry_After="3"), done(items=[])]
    assert api.manga.results(ID) == {"items": []}
    assert api.slept == [7.0, 5.0, 4.0, 8.0, 16.0, 3.0]


def test_all_tries_of_a_post_are_one_request(api: Api) -> None:
    api.answers[BATCH] = [refused(503), BROKEN_OFF, done(202, request_id=ID), done(202, request_id=ID)]
    assert api.manga.submit({"items": []})["request_id"] == ID
    [key] = set(api.headers("idempotency-key"))
    assert key
    api.manga.submit({"items": []})
    assert api.headers("idempotency-key")[-1] not in (None, key)
    assert {(method, body["items"] == []) for method, _, _, body in api.asked} == {("POST", True)}
    api.answers[BATCH] = [refused(500), done(202, request_id=ID)]
    api.manga.submit({"items": []}, key="mine")
    assert api.headers("idempotency-key")[-2:] == ["mine", "mine"]


def test_what_is_not_answered_in_time_is_asked_again_under_its_key(api: Api) -> None:
    api.answers[QUOTE] = [done(202, status="accepted"), done(usage={}, quote={"cost_usd": 1})]
    assert api.manga.quote({"items": []}) == {"cost_usd": 1}
    assert len(set(api.headers("idempotency-key"))) == 1
    assert set(api.headers("prefer")) == {"wait=25"}


@pytest.mark.parametrize(
    "answer", [refused(400), refused(404), refused(409), refused(502), refused(429, Retry_After="3600")]
)
def test_what_trying_again_does_not_mend_is_told_at_once_with_all_its_places(api: Api, answer: Answer) -> None:
    api.answers[BATCH] = [answer]
    with pytest.raises(CLIENT.MangaError, match=r"A_CODE: Words\.\n  items\.0: is none") as told:
        api.manga.submit({"items": [7]})
    assert (told.value.status, told.value.problems[0]["path"], api.slept) == (answer[0], "items.0", [])


def test_it_gives_up_in_the_end(api: Api) -> None:
    api.answers[STATUS] = [NO_JSON] * CLIENT.TRIES
    with pytest.raises(CLIENT.MangaError, match="503"):
        api.manga.status(ID)
    api.answers[STATUS] = [BROKEN_OFF] * CLIENT.TRIES
    with pytest.raises(http.client.IncompleteRead):
        api.manga.status(ID)
    assert len(api.asked) == 2 * CLIENT.TRIES
    assert len(api.slept) == 2 * (CLIENT.TRIES - 1)


def test_a_rejected_request_says_all_that_is_wrong_and_one_without_end_is_let_go(api: Api) -> None:
    problems = [{"path": "callback_url", "message": "is not public"}]
    api.answers[STATUS] = [done(status="rejected", results_path=None, problems=problems)]
    with pytest.raises(CLIENT.MangaError, match="callback_url: is not public"):
        api.manga.results(ID)
    api.answers[STATUS] = [status("deferred")] * 3
    with pytest.raises(TimeoutError, match="deferred"):
        api.manga.wait(ID, at_most_seconds=2)


def test_pages_are_followed_and_the_rest_is_where_the_api_has_it(api: Api) -> None:
    pages = [f"{LIST}&after={ID}", f"{LIST}&after=x"]
    for path, next_path in zip([LIST, *pages], [*pages, None], strict=True):
        api.answers[path] = [done(requests=[path], next_path=next_path)]
    assert list(api.manga.requests()) == [LIST, *pages]
    api.answers = {
        f"/v1/manga/requests/{ID}": [done(202, cancel_requested=True)],
        "/v1/manga/usage": [done(cost_usd=1)],
        "/v1/manga/usage?month=2026-11": [done(cost_usd=2)],
        "/v1/manga/query": [done(usage={}, response="One.")],
    }
    assert api.manga.cancel(ID) == {"cancel_requested": True}
    assert [api.manga.usage(month)["cost_usd"] for month in ("", "2026-11")] == [1, 2]
    assert api.manga.ask("Which?", ID) == "One."
    assert (api.asked[-1][0], api.asked[-1][3]) == ("POST", {"query": "Which?", "conversation_id": ID})


def test_every_final_state_ends_the_waiting_and_it_needs_nothing_but_python() -> None:
    assert {state.value for state in RequestState if is_final(state)} == CLIENT.ENDED
    tree = ast.parse(FILE.read_text("utf-8"))
    imported = {
        each.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names
    }
    assert imported | {"collections", "typing"} <= sys.stdlib_module_names
