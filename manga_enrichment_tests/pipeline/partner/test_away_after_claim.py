"""DynamoDB is there for a claim and away right after it: rows, ledger, budget, outbox and slots at once."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime

import pytest

from manga_enrichment.domain.models.usage import cost_micro_usd
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.requests.claims import AlreadyFinal, AlreadyLive, Claimed, RequestRow
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, HIGH_PRIORITY
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.money.budget import NO_CAPS, scopes_of
from manga_enrichment_tests.fakes import DEFAULT_USAGE
from manga_enrichment_tests.kill_switch import Behind, Outage
from manga_enrichment_tests.partner_world import PARTNER, RESIDENT, WAYS, PartnerWorld
from manga_enrichment_tests.request_fakes import MemoryRequests
from manga_enrichment_tests.resident_run import live

QUEUE = HIGH_PRIORITY.name
REQUESTS = 3
AWAY_SECONDS = 240


class AwayAfterClaims(MemoryRequests):
    """Rows whose store goes away right after the claims of these numbers, counted from 1."""

    def __init__(self, world: PartnerWorld, outage: Outage, fatal: Collection[int]) -> None:
        super().__init__(world.clock)
        self._outage, self._fatal, self._claims = outage, fatal, 0

    def claim(
        self, wanted: RequestRow, now: datetime, *, likely_new: bool = False
    ) -> Claimed | AlreadyLive | AlreadyFinal:
        decision = super().claim(wanted, now, likely_new=likely_new)
        self._claims += isinstance(decision, Claimed)
        if isinstance(decision, Claimed) and self._claims in self._fatal:
            self._outage.begin()
        return decision


def world_of(way: str, outage: Outage, fatal: Collection[int]) -> PartnerWorld:
    """Of two receives that a message has, one outage may burn one."""
    world = PartnerWorld(max_receives=2, way=way)
    world.requests = Behind(AwayAfterClaims(world, outage, fatal), outage)  # type: ignore[assignment]
    world.outbox = Behind(world.outbox, outage)  # type: ignore[assignment]
    world.residents = Behind(world.residents, outage)  # type: ignore[assignment]
    world.base.ledger = Behind(world.base.ledger, outage)  # type: ignore[assignment]
    world.base.budget = Behind(world.base.budget, outage)  # type: ignore[assignment]
    return world


def receives(world: PartnerWorld) -> list[int]:
    return [message.receive_count for message in world.queue.messages(QUEUE)]


def looks(world: PartnerWorld) -> Iterator[None]:
    """What daemon and sensors do while DynamoDB is away: they launch nothing, or runs that have no slot."""
    for _ in range(AWAY_SECONDS // 5):
        if world.way == RESIDENT:
            with suppress(StoreUnavailableError):
                live(world, [QUEUE])
        else:
            world.tick(QUEUE)
            assert world.launched == []
        world.clock.advance(5)
        yield


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("claims", range(1, REQUESTS + 1))
def test_dynamodb_that_goes_away_after_a_claim_costs_no_answer_and_no_request(way: str, claims: int) -> None:
    outage = Outage()
    world = world_of(way, outage, {claims})
    sent = [world.send([(number, "reading_level")], queue=QUEUE) for number in range(REQUESTS)]
    with suppress(StoreUnavailableError):  # a run that meets it ends so, and its op is tried again or its run fails
        world.work(QUEUE)
    assert outage.is_on
    assert world.base.model.sent == []
    # A run that stays gives everything back as a new message. A run that was launched for it cannot take it over.
    assert receives(world) == ([0] * REQUESTS if way == RESIDENT else [1] * claims + [0] * (REQUESTS - claims))
    burnt = receives(world)
    for _ in looks(world):
        assert receives(world) == burnt, "nothing is received while it is away"
    outage.end()
    world.drain(QUEUE)
    assert [(world.state(each), world.row(each).generation) for each in sent] == [
        ("completed", 2 if number < claims else 1) for number in range(REQUESTS)
    ]
    assert world.queue.messages(DEAD_LETTERS) == []
    assert_paid_once(world, sent)


def assert_paid_once(world: PartnerWorld, sent: list[str]) -> None:
    assert len(world.base.model.sent) == len(sent)
    world.assert_rows_are_whole(*sent)
    world.assert_log_is_whole()
    paid = sum(cost_micro_usd(DEFAULT_USAGE, each.request.model.price) for each in world.base.model.sent)
    assert sum(row["cost_micro_usd"] for row in world.base.log()) == paid
    today = scopes_of(Provenance("", world.clock.now().date().isoformat(), "partner", PARTNER), NO_CAPS)
    day = next(scope.counter for scope in today if scope.counter.startswith("partner:"))
    assert world.base.budget.spent(day) == (paid, paid)


def test_a_run_that_stays_gives_a_request_back_at_every_outage_and_none_costs_a_receive() -> None:
    outage = Outage()
    world = world_of(RESIDENT, outage, {1, 2, 3})
    sent = world.send([(1, "reading_level")], queue=QUEUE)
    for outages in range(1, 4):
        with suppress(StoreUnavailableError):
            world.work(QUEUE)
        assert (outage.is_on, receives(world)) == (True, [0]), outages
        for _ in looks(world):
            assert receives(world) == [0]
        outage.end()
        world.clock.advance(AWAY_SECONDS)
    world.drain(QUEUE)
    assert (world.state(sent), world.row(sent).generation) == ("completed", 4)
    assert_paid_once(world, [sent])
