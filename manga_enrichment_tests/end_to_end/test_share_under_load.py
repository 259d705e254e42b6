"""On the real stack: a share of the calls holds, whatever its partner sends and whoever else is there."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.doomed_partner import import_catalog
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.end_to_end.partner_books import SAMPLE, PartnerBooks, known_titles, open_books
from manga_enrichment_tests.end_to_end.resident_process import resident_run
from manga_enrichment_tests.end_to_end.workers import until

pytestmark = pytest.mark.slow

CONCURRENCY = 8
TITLES = known_titles()[:72]
SHARING, OTHER = "sharing", "other"


@pytest.fixture
def clock(tmp_path: Path) -> FileClock:
    return FileClock(tmp_path / "clock")


@pytest.fixture
def partners_file(tmp_path: Path) -> Path:
    return tmp_path / "partners.json"


@pytest.fixture
def environment(
    local_stack: LocalStack, fresh_stack_state: None, monkeypatch: pytest.MonkeyPatch, partners_file: Path
) -> dict[str, str]:
    partners_file.write_text("{}", "utf-8")
    environment = local_stack.child_environment(os.environ) | {
        "MANGA_CATALOG_URI": str(SAMPLE),
        "MANGA_CATALOG_BUCKETS": "1",
        "MANGA_CONCURRENCY": str(CONCURRENCY),
        "MANGA_GRACE_SECONDS": "5",
        "MANGA_PARTNERS_FILE": str(partners_file),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    import_catalog(environment)
    return environment


@pytest.fixture
def books(
    local_stack: LocalStack, environment: dict[str, str], clock: FileClock, model_server: ModelServerControl
) -> Iterator[PartnerBooks]:
    with open_books(local_stack, clock) as books:
        yield books
    model_server.reset()


def ended(books: PartnerBooks, *request_ids: str) -> list[RequestState]:
    """Once each of them has."""

    def states() -> list[RequestState | None]:
        rows = [books.gateways.requests.get(each) for each in request_ids]
        return [None if row is None else row.state for row in rows]

    found = until(states, lambda all_: all(each and is_final(each) for each in all_))
    return [each for each in found if each is not None]


def test_a_share_holds_however_much_its_partner_sends(
    environment: dict[str, str],
    clock: FileClock,
    books: PartnerBooks,
    model_server: ModelServerControl,
    partners_file: Path,
    tmp_path: Path,
) -> None:
    partners_file.write_text(json.dumps({SHARING: {"lane_share": 0.25}}), "utf-8")
    model_server.faults(latency={"fixed_ms": 200})
    with resident_run(environment, clock, tmp_path / "run") as run:
        sent = [books.send(TITLES[at : at + 8], priority="high", partner_id=SHARING) for at in range(0, 40, 8)]
        assert set(ended(books, *sent)) == {RequestState.COMPLETED}
        assert model_server.counters()["max_in_flight"] == CONCURRENCY // 4
        others = [books.send(TITLES[at : at + 8], priority="high", partner_id=OTHER) for at in range(40, 72, 8)]
        assert set(ended(books, *others)) == {RequestState.COMPLETED}
        assert CONCURRENCY // 4 < model_server.counters()["max_in_flight"] <= CONCURRENCY
        run.end()
