"""Policies under load: caps, shares, analyses and models of one partner, while others get their answers."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.policies import read_policies
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.partner.live_policies import FRESH_SECONDS
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.partner_world import RESIDENT, TITLES, UNITS, PartnerWorld

HIGH = HIGH_PRIORITY.name

pytestmark = pytest.mark.parametrize("way", [UNITS, RESIDENT])


MONTHS_END = datetime(2026, 1, 27, 20, tzinfo=UTC)


def world_of(way: str, **policies: dict[str, Any]) -> PartnerWorld:
    """Answers cost less than they are estimated at, as they do."""
    policy = RequestPolicy(partners=read_policies(policies))
    world = PartnerWorld(way=way, policy=policy, clock=FakeClock(MONTHS_END))
    world.base.model.usage = Usage(300, 60)
    return world


def send_all(world: PartnerWorld, partner_id: str, count: int = TITLES) -> list[str]:
    """A request for each title, each a question of its own."""
    return [
        world.send([(number, "reading_level", f"for {partner_id}")], partner_id=partner_id, queue=HIGH)
        for number in range(count)
    ]


def half_of_all(way: str) -> int:
    """Micro-dollars: half of what the requests of `send_all` cost."""
    probe = world_of(way)
    send_all(probe, "acme")
    probe.work(HIGH)
    return spent(probe, f"partner:acme:{today(probe)}") // 2


def spent(world: PartnerWorld, counter: str) -> int:
    return world.base.budget.spent(counter)[1]


def today(world: PartnerWorld) -> date:
    return date.fromisoformat(world.clock.now().date().isoformat())


def test_a_cap_of_a_day_defers_what_it_has_no_money_for_until_the_next(way: str) -> None:
    cap = half_of_all(way)
    world = world_of(way, acme={"micro_usd_per_day": cap})
    sent, others = send_all(world, "acme"), send_all(world, "globex")
    world.work(HIGH)
    states = Counter(world.state(each) for each in sent)
    assert 0 < states["completed"] < TITLES
    assert states["completed"] + states["deferred"] == TITLES
    assert {world.state(each) for each in others} == {"completed"}
    first = today(world)
    waiting = [world.row(each) for each in sent if world.state(each) == "deferred"]
    assert {row.error_class for row in waiting} == {ErrorClass.PARTNER_DAY_CAP}
    assert {row.resumes_on for row in waiting} == {(first + timedelta(days=1)).isoformat()}
    while any(world.state(each) == "deferred" for each in sent):
        assert 0 < spent(world, f"partner:acme:{today(world)}") <= cap
        world.clock.advance(5 * 3600)
        world.work(HIGH)
    assert today(world) > first
    assert {(world.state(each), world.row(each).resumes_on) for each in sent} == {("completed", "")}


def test_a_cap_of_a_month_holds_over_its_days_and_beyond_the_longest_wait_of_others(way: str) -> None:
    cap = half_of_all(way)
    world = world_of(way, acme={"micro_usd_per_month": cap})
    sent = send_all(world, "acme")
    month = today(world).strftime("%Y-%m")
    while today(world).strftime("%Y-%m") == month:
        world.work(HIGH)
        assert 0 < spent(world, f"partner-month:acme:{month}") <= cap
        world.clock.advance(12 * 3600)
    waiting = [world.row(each) for each in sent if world.state(each) == "deferred"]
    assert waiting
    assert {row.resumes_on for row in waiting} == {today(world).replace(day=1).isoformat()}
    assert {row.error_class for row in waiting} == {ErrorClass.PARTNER_MONTH_CAP}
    world.work(HIGH)
    assert sum(world.state(each) == "completed" for each in sent) > TITLES - len(waiting)


def test_a_row_that_raises_a_cap_counts_within_seconds(way: str) -> None:
    world = world_of(way, acme={"micro_usd_per_day": 0})
    sent = send_all(world, "acme", 2)
    world.work(HIGH)
    assert {world.state(each) for each in sent} == {"deferred"}
    world.requests.change_policy("acme", {"micro_usd_per_day": 10**9})
    world.clock.advance(FRESH_SECONDS + 900)
    world.work(HIGH)
    assert {world.state(each) for each in sent} == {"completed"}


class CountingModel(ScriptedModel):
    """most: how many calls of each partner were open at once; a partner is told by its note."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock, latency_seconds=1.0)
        self.open: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def converse(self, call: ModelCall) -> ModelReply:
        whose = "acme" if "for acme" in call.prompt.user else "globex"
        self.open[whose] += 1
        self.most[whose] = max(self.most[whose], self.open[whose])
        try:
            return await super().converse(call)
        finally:
            self.open[whose] -= 1


@pytest.mark.parametrize("is_alone", [True, False])
def test_a_partner_never_has_more_places_than_its_share(way: str, is_alone: bool) -> None:
    world = world_of(way, acme={"lane_share": 0.25})
    places = world.base.settings.engine.concurrency
    model = world.base.model = CountingModel(world.clock)
    sent = send_all(world, "acme") + ([] if is_alone else send_all(world, "globex"))
    world.work(HIGH)
    assert {world.state(each) for each in sent} == {"completed"}
    assert model.most["acme"] == places // 4
    assert is_alone or places // 4 < model.most["globex"] <= places


def test_what_was_not_agreed_on_is_rejected_whole_and_asked_of_no_model(way: str) -> None:
    world = world_of(way, acme={"analyses": ["reading_level"]}, globex={"models": ["sonnet"]})
    fine = world.send([(1, "reading_level")], queue=HIGH)
    mixed = world.send([(1, "reading_level"), (2, "content_summary")], queue=HIGH)
    other = world.send([(3, "reading_level")], partner_id="globex", queue=HIGH)
    world.work(HIGH)
    assert [world.state(each) for each in (fine, mixed, other)] == ["completed", "rejected", "rejected"]
    assert '"items.1.analysis_type"' in world.row(mixed).problems
    assert {sent.manga_id for sent in world.base.model.sent} == {"MNG-00000001"}
    world.requests.change_policy("acme", {"analyses": ["reading_level", "content_summary"]})
    world.clock.advance(FRESH_SECONDS + 1)
    again = world.send([(2, "content_summary")], queue=HIGH)
    world.work(HIGH)
    assert world.state(again) == "completed"


def test_while_policies_cannot_be_read_nothing_is_judged_and_nothing_lost(way: str) -> None:
    world = world_of(way, acme={"analyses": ["reading_level"]})
    sent = world.send([(1, "reading_level")], queue=HIGH)
    world.requests.failures["policy_changes"] = 1
    world.work(HIGH)
    world.drain(HIGH)
    assert world.state(sent) == "completed"


def test_a_row_that_says_nothing_sound_changes_nothing(way: str) -> None:
    world = world_of(way, acme={"analyses": ["reading_level"]})
    world.requests.policies["acme"] = {"callback_hosts": ["evil.example"], "analyses": None}
    kept, refused = world.send([(1, "reading_level")], queue=HIGH), world.send([(1, "content_summary")], queue=HIGH)
    world.work(HIGH)
    assert [world.state(kept), world.state(refused)] == ["completed", "rejected"]
