"""A process that dies at any call of any gateway: nothing is paid twice or lost, and all money is accounted for."""

import pytest

from manga_enrichment_tests.batch_world import BatchWorld
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fake_batch import MISSING, Killed, Reaper, Step
from manga_enrichment_tests.pipeline.batch.test_collect import BROKEN

pytestmark = pytest.mark.slow

MOST_CALLS = 120


def calls_of(act: str, script: dict[str, Step] | None = None) -> int:
    """How many gateway calls an undisturbed run of this part makes."""
    world = staged(act, script)
    world.reaper = Reaper(MOST_CALLS, after=False)
    play(world, act)
    return world.reaper.calls


def staged(act: str, script: dict[str, Step] | None = None) -> BatchWorld:
    world = BatchWorld()
    world.batch.script = dict(script or {})
    world.plan()
    if act == "collect":
        world.submit()
        for _ in range(4):
            world.look()
    return world


def play(world: BatchWorld, act: str) -> None:
    if act == "submit":
        world.submit()
    else:
        world.wait(minutes=10)
        world.look()


def recovered(world: BatchWorld) -> None:
    """What follows a kill: the sensor goes on, the next night asks for what nobody has, and so on."""
    world.reaper = None
    world.wait(hours=1)  # claims of a run that wrote nothing down run out
    world.follow()
    world.start("run-2")
    world.follow()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("act", ["submit", "collect"])
def test_a_kill_at_any_call_pays_for_every_title_once_and_settles_all_money(act: str, after: bool) -> None:
    calls = calls_of(act)
    assert calls > 5
    for at in range(1, calls + 1):
        world = staged(act)
        world.reaper = Reaper(at, after=after)
        with pytest.raises(Killed):
            play(world, act)
        recovered(world)
        assert len(world.publish("run-3")) == 5, at
        assert world.world.model.sent == [], at
        assert set(world.batch.billed.values()) == {1}, at
        assert world.money() == (world.batch.billed_micro_usd,) * 2, at
        assert world.world.logged_cost_micro_usd() == world.batch.billed_micro_usd, at
        assert world.world.ledger.claimed == {}, at


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_while_collecting_wasted_records_never_books_too_little(after: bool) -> None:
    wasted: dict[str, Step] = {title_id(1): BROKEN, title_id(2): MISSING}
    calls = calls_of("collect", wasted)
    assert calls > 5
    for at in range(1, calls + 1):
        world = staged("collect", wasted)
        world.reaper = Reaper(at, after=after)
        with pytest.raises(Killed):
            play(world, "collect")
        world.reaper = None
        world.follow()
        with_a_line = world.batch.billed_micro_usd * 4 // 5
        committed, spent = world.money()
        assert committed == spent >= with_a_line, at
        assert world.world.logged_cost_micro_usd() == with_a_line, at
        assert len(world.publish()) == 5, at
