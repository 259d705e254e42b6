"""On the real stack: what a partner may holds while others are answered; a batch is cancelled in mid-flight."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.engine.money.budget import partner_counter
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.doomed_partner import import_catalog
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.end_to_end.partner_books import SAMPLE, PartnerBooks, known_titles, open_books
from manga_enrichment_tests.end_to_end.resident_process import FIRST, resident_run
from manga_enrichment_tests.end_to_end.workers import until

pytestmark = pytest.mark.slow

CONCURRENCY = 8
HUNDRED = known_titles()[:100]
FOLLOWING = FIRST.model_copy(update={"epoch": FIRST.epoch + 1})
CAPPED, SHARING, CHOOSY, OTHER = "capped", "sharing", "choosy", "other"


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
    """Once each of them has: waiting for a cap's next day is an end of this day."""

    def states() -> list[RequestState | None]:
        rows = [books.gateways.requests.get(each) for each in request_ids]
        return [None if row is None else row.state for row in rows]

    found = until(states, lambda all_: all(each and (is_final(each) or each is RequestState.DEFERRED) for each in all_))
    return [each for each in found if each is not None]


def test_of_a_hundred_titles_cancelled_in_mid_flight_counts_bill_and_books_agree(
    environment: dict[str, str], clock: FileClock, books: PartnerBooks, model_server: ModelServerControl, tmp_path: Path
) -> None:
    model_server.faults(latency={"fixed_ms": 400})
    with resident_run(environment, clock, tmp_path / "run") as run:
        sent = books.send(HUNDRED, priority="high")
        until(model_server.counters, lambda bill: bill["billed"] >= 2 * CONCURRENCY)
        books.gateways.requests.cancel(sent)
        assert ended(books, sent) == [RequestState.CANCELLED]
        run.end()
    bill, row = model_server.counters(), books.row(sent)
    asked = bill["billed"]
    assert 2 * CONCURRENCY <= asked < 100
    assert dict(row.counts) == {"items": 100, "succeeded": asked, "cancelled": 100 - asked}
    assert bill["duplicates"] == 0
    rows, document = books.results(sent)
    assert row.cost_micro_usd == bill["cost_micro_usd"] == sum(each["cost_micro_usd"] for each in document["items"])
    assert sum(each["cost_micro_usd"] for each in rows) == row.cost_micro_usd
    assert Counter(each["status"] for each in document["items"]) == {"succeeded": asked, "cancelled": 100 - asked}
    assert all(each["answer"] for each in document["items"] if each["status"] == "succeeded")
    day = clock.now().date().isoformat()
    assert books.gateways.budget.spent(partner_counter(row.partner_id, day))[1] == row.cost_micro_usd
    Books(load_settings()).assert_bill_is_logged(bill)
    assert books.is_empty(HIGH_PRIORITY.name)


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
        sent = [books.send(HUNDRED[at : at + 8], priority="high", partner_id=SHARING) for at in range(0, 40, 8)]
        assert set(ended(books, *sent)) == {RequestState.COMPLETED}
        assert model_server.counters()["max_in_flight"] == CONCURRENCY // 4
        others = [books.send(HUNDRED[at : at + 8], priority="high", partner_id=OTHER) for at in range(40, 72, 8)]
        assert set(ended(books, *others)) == {RequestState.COMPLETED}
        assert CONCURRENCY // 4 < model_server.counters()["max_in_flight"] <= CONCURRENCY
        run.end()


def test_caps_and_models_hold_under_load_and_nobody_else_pays_for_them(
    environment: dict[str, str],
    clock: FileClock,
    books: PartnerBooks,
    model_server: ModelServerControl,
    partners_file: Path,
    tmp_path: Path,
) -> None:
    cap = 6 * _cost_of_one(environment, clock, books, model_server, tmp_path)
    policies: dict[str, Any] = {CAPPED: {"micro_usd_per_day": cap}, CHOOSY: {"models": ["haiku"]}}
    partners_file.write_text(json.dumps(policies), "utf-8")
    model_server.faults(latency={"fixed_ms": 100})
    with resident_run(environment, clock, tmp_path / "run", FOLLOWING) as run:
        capped = [books.send([each], priority="high", partner_id=CAPPED) for each in HUNDRED[:16]]
        refused = books.send(HUNDRED[16:18], priority="high", partner_id=CHOOSY, model="sonnet")
        allowed = books.send(HUNDRED[18:20], priority="high", partner_id=CHOOSY, model="haiku")
        others = [books.send([each], priority="high", partner_id=OTHER) for each in HUNDRED[20:32]]
        states = Counter(ended(books, *capped))
        assert ended(books, refused, allowed) == [RequestState.REJECTED, RequestState.COMPLETED]
        assert set(ended(books, *others)) == {RequestState.COMPLETED}
        run.end()
    assert 0 < states[RequestState.COMPLETED] < len(capped)
    assert states[RequestState.COMPLETED] + states[RequestState.DEFERRED] == len(capped)
    today = clock.now().date()
    waiting = [books.row(each) for each in capped if books.row(each).state is RequestState.DEFERRED]
    assert {row.error_class for row in waiting} == {ErrorClass.PARTNER_DAY_CAP}
    assert {row.resumes_on for row in waiting} == {(today + timedelta(days=1)).isoformat()}
    spent = books.gateways.budget.spent(partner_counter(CAPPED, today.isoformat()))[1]
    assert spent == sum(books.row(each).cost_micro_usd for each in capped)
    assert 0 < spent <= cap
    assert "model" in books.row(refused).reason
    assert not [model_id for model_id in model_server.counters()["by_model"] if "sonnet" in model_id]
    Books(load_settings()).assert_bill_is_logged(model_server.counters())


def _cost_of_one(
    environment: dict[str, str], clock: FileClock, books: PartnerBooks, model_server: ModelServerControl, folder: Path
) -> int:
    """Micro-dollars that a call is reserved at, at least; by another partner, of titles that nobody else asks about."""
    with resident_run(environment, clock, folder / "probe") as run:
        probe = books.send(HUNDRED[90:94], priority="high", partner_id="probe")
        assert ended(books, probe) == [RequestState.COMPLETED]
        run.end()
    return books.row(probe).cost_micro_usd // 4
