"""A request whose runs are killed until its message is a dead letter: it ends, its books hold, a redrive answers it."""

import traceback
import uuid
from collections import Counter
from collections.abc import Callable

import pytest

from manga_enrichment.domain.models.usage import cost_micro_usd
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, DEAD_LETTERS_FIFO, NORMAL, QUEUES, SESSION
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.pipeline.dead_letters.redrive import REDRIVES, Redrive, RedriveFilter, RedriveReport
from manga_enrichment.pipeline.engine.money.budget import day_counter
from manga_enrichment.pipeline.health.dead_requests import GRACE, RUN_ENDED, DeadRequests, Fate
from manga_enrichment.pipeline.health.lost_calls import LostCalls
from manga_enrichment.pipeline.partner.stored.requests import read_stored_request
from manga_enrichment_tests.analyses import ANALYSES, FOR_PARTNERS
from manga_enrichment_tests.builders import MODELS, model_of
from manga_enrichment_tests.fakes import DEFAULT_USAGE, ScriptedModel
from manga_enrichment_tests.partner_world import RESIDENT, UNITS, PartnerWorld

ITEMS = [(1, "reading_level"), (2, "reading_level"), (3, "reading_level")]
IN_RUN, IN_TICK, IN_RESIDENT = "run", "tick and run", "resident run"
SESSION_ID = "7c9e6679-7425-40de-944b-000000000001"
CALLBACK = "https://a.example/"


def dead_requests(world: PartnerWorld) -> DeadRequests:
    tables, ledger, budget = world.tables, world.mortal(world.base.ledger), world.mortal(world.base.budget)
    return DeadRequests(
        queues=world.mortal(world.queue),
        requests=world.mortal(world.requests),
        tables=tables,
        ledger=ledger,
        budget=budget,
        clock=world.clock,
        planning=world.planning(),
        lost_calls=LostCalls(
            tables=tables,
            ledger=ledger,
            budget=budget,
            clock=world.clock,
            clock_skew=MOST_CLOCK_SKEW,
            new_owner=lambda: uuid.uuid4().hex,
            analyses=FOR_PARTNERS,
            models=MODELS,
        ),
        endings=world.endings(),
        policy=world.policy,
    )


def die_at(world: PartnerWorld, act: Callable[[], object], calls: int, *, after_effect: bool) -> bool:
    """Whether it was killed before it was done."""
    world.switch.arm(calls, after_effect=after_effect)
    try:
        act()
    except BaseException:  # noqa: BLE001 (what a kill looks like depends on where it hit)
        assert world.switch.dead
    died = world.switch.dead
    world.switch.revive()
    return died


def goes_back(world: PartnerWorld, queue: str) -> None:
    """Its message is as one that was a dead letter before."""
    [message] = world.queue.receive(queue, max_messages=1, wait_seconds=0)
    world.queue.delete(queue, [message.receipt_handle])
    name = f"redrive.{message.message_id}"
    world.queue.send(
        queue,
        message.body,
        attributes={**message.attributes, REDRIVES: "1"},
        group_id=message.group_id,
        deduplication_id=name if message.group_id else "",
    )


def killed_thrice(
    calls: int, *, after_effect: bool, dies: str = IN_RUN, queue: str = NORMAL.name, before: bool = True
) -> PartnerWorld:
    """One request whose every delivery is killed at this call, and all the time that a dead one is given.

    before: it had been sent again already.
    """
    world = PartnerWorld(way=RESIDENT if dies == IN_RESIDENT else UNITS)
    if queue == NORMAL.name:
        world.send(ITEMS, callback_url=CALLBACK)
    else:
        body = {"query": "Which?", "conversation_id": SESSION_ID}
        world.send_envelope("manga_query", body, queue=queue, group_id=f"acme:{SESSION_ID}")
    if before:
        goes_back(world, queue)
    for _ in range(4):  # the last receive is SQS's: it dead-letters what was received three times
        if not world.queue.messages(queue):
            break
        if dies == IN_RUN:
            world.tick(queue)
        die_at(world, lambda: world.work(queue), calls, after_effect=after_effect)
        world.launched.clear()
        world.clock.advance(QUEUES[queue].visibility_seconds + 60)
    world.clock.advance((GRACE + MOST_CLOCK_SKEW).total_seconds())
    return world


def request_of(world: PartnerWorld) -> str:
    [request_id] = world.requests.rows
    return request_id


def assert_books_hold(world: PartnerWorld) -> None:
    """log − maybe billed <= meter <= log, counters = log, and of each answer every attempt is logged once."""
    world.assert_log_is_whole()
    world.clock.advance(3600)
    day = day_counter(world.clock.now().date().isoformat())
    world.base.budget.close_abandoned([day], world.clock.now())
    log = world.base.log()
    logged = sum(row["cost_micro_usd"] for row in log)
    maybe_billed = sum(row["cost_micro_usd"] for row in log if row["maybe_billed"])
    price = model_of(ANALYSES["reading_level"]).price
    meter = len(world.base.model.sent) * cost_micro_usd(DEFAULT_USAGE, price)
    assert world.base.budget.spent(day) == (logged, logged)
    assert logged - maybe_billed <= meter <= logged


def assert_ended_and_told(world: PartnerWorld) -> None:
    request_id = request_of(world)
    assert world.is_final(request_id)
    assert world.row(request_id).result_key
    assert world.result(request_id)["status"] == world.state(request_id)
    world.assert_rows_are_whole(request_id)
    told = Counter(each.target for each in world.outbox.deliveries.values())
    assert told[CALLBACK if world.row(request_id).callback_state else "arn:results"] == 1
    assert len({each.event_id for each in world.outbox.deliveries.values()}) == 1


def what_is_wrong(world: PartnerWorld) -> str | None:
    """In words, since pytest cannot show a traceback that a killed event loop is in."""
    try:
        assert_ended_and_told(world)
        assert_books_hold(world)
    except AssertionError as error:
        return f"{traceback.extract_tb(error.__traceback__)[-1].line}: {error}"
    return None


def redrive(world: PartnerWorld, queue: str) -> RedriveReport:
    again = Redrive(queues=world.queue, requests=world.requests, clock=world.clock)
    return again.redrive(queue, RedriveFilter(reasons=frozenset({RUN_ENDED})), limit=10)


@pytest.mark.parametrize("dies", [IN_RUN, IN_TICK, IN_RESIDENT])
@pytest.mark.parametrize("after_effect", [False, True])
def test_killed_thrice_at_any_step_it_ends_is_booked_and_told_and_a_redrive_pays_for_nothing_twice(
    *, after_effect: bool, dies: str
) -> None:
    closed = lost = answered_before = 0
    for calls in range(32):
        world = killed_thrice(calls, after_effect=after_effect, dies=dies)
        if not world.requests.rows or world.queue.messages(NORMAL.name):
            continue  # killed before it was claimed, or before it was received: nothing was begun
        closing = dead_requests(world).close_all()[Fate.CLOSED]
        if (problem := what_is_wrong(world)) is not None:
            pytest.fail(f"killed at call {calls}: {problem}", pytrace=False)
        assert dead_requests(world).close_all() == {}
        closed += closing
        if not closing:
            continue
        assert (world.state(request_of(world)), world.row(request_of(world)).error_class) == ("failed", RUN_ENDED)
        assert "dlq redrive" in world.row(request_of(world)).reason
        assert len(world.queue.messages(DEAD_LETTERS)) == 1
        lost += any(row["maybe_billed"] for row in world.base.log())
        there, asked = len(world.base.ledger.entries), len(world.base.model.sent)
        answered_before += there > 0
        assert redrive(world, DEAD_LETTERS).redriven == 1
        world.drain()
        assert world.state(request_of(world)) == "completed"
        assert len(world.base.model.sent) - asked == len(ITEMS) - there
        assert_books_hold(world)
    assert closed > 5
    assert min(lost, answered_before) > 0


@pytest.mark.parametrize("queue", [NORMAL.name, SESSION.name])
@pytest.mark.parametrize("dies", [IN_RUN, IN_RESIDENT])
@pytest.mark.parametrize("after_effect", [False, True])
def test_killed_thrice_at_any_step_it_is_sent_again_once_and_answered(
    *, after_effect: bool, dies: str, queue: str
) -> None:
    sent_again = paid_before = 0
    for calls in range(32):
        world = killed_thrice(calls, after_effect=after_effect, dies=dies, queue=queue, before=False)
        there = len(world.base.ledger.entries)
        again = dead_requests(world).close_all()[Fate.SENT_AGAIN]
        assert world.queue.messages(QUEUES[queue].dead_letters or "") == []
        sent_again += again
        paid_before += again and there > 0
        world.drain(queue)
        assert world.state(request_of(world)) == "completed", calls
        if (problem := what_is_wrong(world)) is not None:
            pytest.fail(f"killed at call {calls}: {problem}", pytrace=False)
    assert sent_again > 5
    assert paid_before > 0


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("dies_at", [17, 19, 25])
def test_closing_that_is_killed_at_any_step_is_begun_again(dies_at: int, *, after_effect: bool) -> None:
    for calls in range(200):
        world = killed_thrice(dies_at, after_effect=False)
        died = die_at(world, dead_requests(world).close_all, calls, after_effect=after_effect)
        world.clock.advance(600)
        dead_requests(world).close_all()
        assert_ended_and_told(world)
        assert_books_hold(world)
        assert len(world.queue.messages(DEAD_LETTERS)) == 1
        if not died:
            assert calls > 10
            return
    raise AssertionError("it never got through")


def test_a_killed_conversation_of_a_fifo_queue_ends_too_and_a_redrive_answers_it() -> None:
    closed = 0
    for calls in range(60):
        world = killed_thrice(calls, after_effect=True, queue=SESSION.name)
        closing = dead_requests(world).close_all()[Fate.CLOSED]
        assert_ended_and_told(world)
        closed += closing
        if not closing:
            continue
        assert (world.state(request_of(world)), world.row(request_of(world)).error_class) == ("failed", RUN_ENDED)
        there, asked = len(world.base.ledger.entries), len(world.base.model.sent)
        assert redrive(world, DEAD_LETTERS_FIFO).redriven == 1
        world.drain(SESSION.name)
        assert world.state(request_of(world)) == "completed"
        assert len(world.base.model.sent) - asked == 1 - there
    assert closed > 5


def test_a_request_whose_lease_runs_or_has_just_ended_is_left_alone() -> None:
    world = killed_thrice(8, after_effect=False)
    row = world.row(request_of(world))
    for lease_left_seconds in (60, -60, -GRACE.total_seconds()):
        moved = world.clock.now().timestamp() + lease_left_seconds
        until = row.lease_until.fromtimestamp(moved, row.lease_until.tzinfo)
        world.requests.update(row.request_id, row.owner, row.generation, lease_until=until)
        assert dead_requests(world).close_all() == {}
        assert world.row(row.request_id).state is row.state


def test_while_another_run_asks_the_same_it_waits() -> None:
    world = killed_thrice(16, after_effect=False)
    there = set(world.base.ledger.entries)
    plan = world.planning().plan([read_stored_request(world.tables, world.row(request_of(world)).body_key)])
    asked = sorted({call.fingerprint for call in plan.calls} - there)
    now = world.clock.now()
    world.base.ledger.claim_many(dict.fromkeys(asked, 5), "night", now, now.replace(hour=23))
    assert asked
    assert dead_requests(world).close_all() == {Fate.WAITS: 1}
    world.base.ledger.release_many(asked, "night")
    assert dead_requests(world).close_all() == {Fate.CLOSED: 1}


def test_another_partners_message_with_its_id_closes_nothing() -> None:
    world = killed_thrice(8, after_effect=False)
    [dead] = world.queue.receive(DEAD_LETTERS, max_messages=1, wait_seconds=0)
    world.queue.delete(DEAD_LETTERS, [dead.receipt_handle])
    forged = dead.body.replace('"acme"', '"other"')
    assert forged != dead.body
    world.queue.send(DEAD_LETTERS, forged)
    assert dead_requests(world).close_all() == {}
    assert world.row(request_of(world)).state is not RequestState.FAILED


def test_what_was_answered_and_never_told_is_told_and_taken_from_the_dead_letters() -> None:
    world = killed_thrice(21, after_effect=True, dies=IN_RESIDENT)
    assert world.state(request_of(world)) == "completed"
    assert world.outbox.deliveries == {}
    assert len(world.queue.messages(DEAD_LETTERS)) == 1
    assert dead_requests(world).close_all() == {Fate.ACKED: 1}
    assert_ended_and_told(world)
    assert world.queue.messages(DEAD_LETTERS) == []


def test_what_failed_and_was_never_told_is_told_and_kept_for_a_redrive() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.MODEL_TIMEOUT)
    request_id = world.send(callback_url=CALLBACK)
    world.drain()
    assert world.state(request_id) == "failed"
    world.outbox.deliveries.clear()
    [rejected] = world.queue.receive(DEAD_LETTERS, max_messages=1, wait_seconds=0)
    assert dead_requests(world).close_all() == {}
    world.queue.delete(DEAD_LETTERS, [rejected.receipt_handle])
    world.queue.send(DEAD_LETTERS, rejected.body)  # as SQS does it, without a reason
    assert dead_requests(world).close_all() == {Fate.TOLD: 1}
    assert CALLBACK in {each.target for each in world.outbox.deliveries.values()}
    world.clock.advance(3600)
    assert dead_requests(world).close_all() == {}
    assert len(world.queue.messages(DEAD_LETTERS)) == 1
