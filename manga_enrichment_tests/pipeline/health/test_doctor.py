"""Everything is looked at, whatever is broken before it."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.queues import NORMAL, QUEUES
from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError
from manga_enrichment.pipeline.health.doctor import examine
from manga_enrichment_tests.partner_world import PartnerWorld


class Broken:
    """Whatever is asked of it."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        raise self.error


def patient(**broken: Exception) -> Any:
    world = PartnerWorld()
    parts: dict[str, Any] = {
        "clock": world.clock,
        "tables": world.base.tables,
        "catalog_source": SimpleNamespace(version=lambda: "1"),
        "ledger": world.base.ledger,
        "budget": world.base.budget,
        "senders": world.base.senders,
        "requests": world.requests,
        "outbox": world.outbox,
        "queues": world.queue,
    }
    return SimpleNamespace(**parts | {name: Broken(error) for name, error in broken.items()})


def broken_of(patient: Any) -> Iterator[tuple[str, str]]:
    return ((each.subject, each.broken) for each in examine(patient) if each.broken)


def test_where_all_answers_nothing_is_broken() -> None:
    findings = list(examine(patient()))
    assert {each.broken for each in findings} == {""}
    assert len(findings) == 7 + len(QUEUES)


@pytest.mark.parametrize(
    ("part", "error", "subject"),
    [
        ("catalog_source", ConfigurationError("it is not there"), "catalog"),
        ("tables", StoreUnavailableError("S3 is away"), "results bucket"),
        ("ledger", ConfigurationError("no such table"), "ledger table"),
        ("senders", StoreUnavailableError("DynamoDB is away"), "senders table"),
    ],
)
def test_what_is_broken_is_named_and_the_rest_is_looked_at(part: str, error: Exception, subject: str) -> None:
    assert list(broken_of(patient(**{part: error}))) == [(subject, str(error))]


def test_every_queue_is_looked_at() -> None:
    found = dict(broken_of(patient(queues=QueueUnavailableError("no such queue"))))
    assert set(found) == {f"queue {name}" for name in QUEUES}
    assert f"queue {NORMAL.name}" in found
