"""A clock that jumps by two hours, during a run and between runs: nothing paid twice beyond maybe billed, nothing lost.

Only the clock of one machine jumps; the services go by the true time, and so do the other machines.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from manga_enrichment.aws.clock_skew import ClockSkew
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL, SESSION, Queue
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.pipeline.engine.money.budget import LEASE_SECONDS
from manga_enrichment_tests.builders import SINGLES
from manga_enrichment_tests.fakes import ScriptedModel, Step
from manga_enrichment_tests.kill_switch import Killed
from manga_enrichment_tests.shared_night import TITLES, SharedNight
from manga_enrichment_tests.together import MachineClock, SharedClock

QUESTION = {"query": "Which manga has a lighthouse?"}
DEFERRAL_SECONDS = 1000
"""By what `drain` lets time pass; no less than a deferral."""
TWO_HOURS = timedelta(hours=2)
BOTH_WAYS = pytest.mark.parametrize("jump", [TWO_HOURS, -TWO_HOURS], ids=["forward", "back"])


def jump_after(machine: MachineClock, seconds: float, jump: timedelta) -> tuple[float, Callable[[], Any]]:
    """A process that sets a machine's clock."""

    def set_clock() -> None:
        machine.ahead += jump

    return seconds, set_clock


@BOTH_WAYS
@pytest.mark.parametrize("seconds", [3.0, 9.0, 30.0])
def test_a_night_whose_clock_jumps_beside_one_whose_clock_does_not(jump: timedelta, seconds: float) -> None:
    shared = SharedNight(concurrency=2, longest_seconds=8)
    machine = MachineClock(shared.clock)
    shared.clock.together(
        (0, lambda: shared.night("jumps", clock=machine)),
        (1, lambda: shared.night("stays", SINGLES[::-1])),
        jump_after(machine, seconds, jump),
    )
    shared.assert_books_agree()
    assert all(len(shared.base.answers(name)) == TITLES for name in SINGLES)
    assert len(shared.base.ledger.entries) == TITLES * len(SINGLES)
    assert shared.base.ledger.claimed == {}


@BOTH_WAYS
def test_the_next_night_after_a_jump_takes_what_there_is(jump: timedelta) -> None:
    shared = SharedNight()
    machine = MachineClock(shared.clock)
    shared.night("before", SINGLES[:2], clock=machine)
    machine.ahead += jump
    shared.clock.advance(60)
    shared.night("after", clock=machine)
    shared.assert_books_agree()
    shared.assert_each_question_was_answered_once()


@BOTH_WAYS
def test_both_nights_of_a_machine_whose_clock_jumps_pay_once(jump: timedelta) -> None:
    """On one machine everybody jumps: what is claimed before a jump forward looks abandoned until it is renewed."""
    shared = SharedNight(concurrency=2, longest_seconds=8)
    machine = MachineClock(shared.clock)
    shared.clock.together(
        (0, lambda: shared.night("one", clock=machine)),
        (1, lambda: shared.night("two", SINGLES[::-1], clock=machine)),
        jump_after(machine, 9, jump),
    )
    shared.assert_books_agree()
    assert all(len(shared.base.answers(name)) == TITLES for name in SINGLES)


@BOTH_WAYS
def test_a_request_whose_run_is_killed_as_the_clock_jumps_is_worked_at_again_at_its_next_delivery(
    jump: timedelta,
) -> None:
    """The lease in the row is a moment of the clock before the jump; SQS knows nothing of clocks.

    Claims of single answers end as they were written: after a jump back, later by as much as the clock was set back.
    """
    shared = SharedNight()
    world, machine = shared.partners, MachineClock(shared.clock, -jump)
    world.clock = machine
    sent = world.send([(number, "reading_level") for number in range(3)])
    world.tick()
    world.switch.arm(12, after_effect=True)
    with pytest.raises(Killed):
        world.run(world.launched.pop())
    world.switch.revive()
    machine.ahead = timedelta(0)
    shared.clock.advance(LEASE_SECONDS + MOST_CLOCK_SKEW.total_seconds() + 1)
    world.work()
    assert world.row(sent).generation == 2
    began = shared.clock.now()
    world.drain()
    longest = timedelta(seconds=60) + MOST_CLOCK_SKEW + max(-jump, timedelta(0))
    assert shared.clock.now() - began <= longest + timedelta(seconds=2 * DEFERRAL_SECONDS)
    assert world.state(sent) == "completed"
    assert world.queue.messages(DEAD_LETTERS) == []
    shared.assert_books_agree()


@BOTH_WAYS
def test_a_batch_whose_clock_jumps_at_the_model_is_answered_and_paid_for_once(jump: timedelta) -> None:
    shared = SharedNight(concurrency=2)
    world, machine = shared.partners, MachineClock(shared.clock)
    world.clock = machine
    sent = world.send([(number, "reading_level") for number in range(TITLES)])
    shared.clock.together((0, world.work), jump_after(machine, 3, jump))
    world.drain()
    shared.assert_books_agree()
    assert world.state(sent) == "completed"
    assert max(shared.model.answered.values()) == 1


@BOTH_WAYS
@pytest.mark.parametrize("queue", [NORMAL, SESSION], ids=["standard", "fifo"])
def test_a_request_that_waits_for_another_try_comes_again_although_the_clock_jumps(
    jump: timedelta, queue: Queue
) -> None:
    """On a standard queue SQS counts the delay; on a FIFO one the message shows again within these ten minutes."""
    shared = SharedNight()
    world, machine = shared.partners, MachineClock(shared.clock)
    world.clock = machine
    world.base.model = ScriptedModel(shared.clock, otherwise=ErrorClass.THROTTLED)
    sent = world.send() if queue is NORMAL else world.send_envelope("manga_query", QUESTION, queue=queue.name)
    world.work(queue.name)
    assert world.state(sent) == "deferred"
    world.base.model = shared.model
    machine.ahead += jump
    for _ in range(10):
        shared.clock.advance(60)
        world.work(queue.name)
    assert world.state(sent) == "completed"
    assert world.queue.messages(queue.name) == world.queue.messages(queue.dead_letters or "") == []


@BOTH_WAYS
def test_credentials_are_renewed_again_after_a_jump(jump: timedelta) -> None:
    shared = SharedNight(concurrency=1)
    machine = MachineClock(shared.clock)
    script: dict[str, list[Step]] = {
        each: [ErrorClass.EXPIRED_CREDENTIALS] for each in ("MNG-00000000", "MNG-00000020")
    }
    model = shared.base.model = ScriptedModel(shared.clock, script, latency_seconds=2)
    shared.clock.together(
        (0, lambda: shared.night("jumps", ["reading_level"], clock=machine)), jump_after(machine, 10, jump)
    )
    assert model.refreshes == 2
    assert len(shared.base.answers("reading_level")) == TITLES


class ServiceTime:
    """A gateway whose every answer tells the true time, and which claims and reserves nothing beyond the bound."""

    def __init__(self, gateway: Any, true: SharedClock, skew: ClockSkew) -> None:
        self._gateway, self._true, self._skew = gateway, true, skew

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._gateway, name)

        def call(*args: Any, **named: Any) -> Any:
            if name in ("claim_many", "reserve", "close_abandoned"):
                self._skew.check()
            answer = method(*args, **named)
            self._skew.note({"headers": {"date": format_datetime(self._true.now(), usegmt=True)}})
            return answer

        return call if callable(method) else method


@BOTH_WAYS
def test_beyond_the_bound_a_run_ends_with_one_sentence_and_what_it_had_asked_is_kept(jump: timedelta) -> None:
    shared = SharedNight(concurrency=2, longest_seconds=8)
    machine = MachineClock(shared.clock)
    skew = ClockSkew(machine.now)
    base = shared.base
    ledger, budget = base.ledger, base.budget
    told = ServiceTime(ledger, shared.clock, skew), ServiceTime(budget, shared.clock, skew)
    failed: list[str] = []

    def jumps() -> None:
        try:
            shared.night("jumps", clock=machine, ledger=told[0], budget=told[1])
        except ConfigurationError as error:
            failed.append(str(error))

    shared.clock.together((0, jumps), (1, lambda: shared.night("stays", SINGLES[::-1])), jump_after(machine, 9, jump))
    direction = "ahead of" if jump > timedelta(0) else "behind"
    assert len(failed) == 1
    assert re.match(f"The clock of this machine is (7199|7200) s {direction} AWS's, and at most 15 s", failed[0])
    by_jumped = [row for row in ledger.entries.values() if row.provenance.run_id == "jumps"]
    assert by_jumped, "it had asked something"
    shared.clock.advance(LEASE_SECONDS + MOST_CLOCK_SKEW.total_seconds() + 1)
    shared.night("next")
    shared.assert_books_agree()
    shared.assert_each_question_was_answered_once()
