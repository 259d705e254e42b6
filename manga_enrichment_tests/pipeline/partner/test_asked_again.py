"""A partner who asks after somebody had a title asked again gets the new answer, and nobody pays for it twice."""

from collections.abc import Callable
from functools import partial

import pytest

from manga_enrichment_tests.again import pressed
from manga_enrichment_tests.builders import COMBINED, SINGLES, title_id
from manga_enrichment_tests.partner_world import WAYS, PartnerWorld

LEVEL = "reading_level"

MakeWorld = Callable[[], PartnerWorld]


@pytest.fixture(params=WAYS)
def make_world(request: pytest.FixtureRequest) -> MakeWorld:
    return partial(PartnerWorld, way=request.param)


def after_a_night(make_world: MakeWorld, *selected: str) -> PartnerWorld:
    world = make_world()
    world.base.run("night-1", selected)
    world.clock.advance(60)
    return world


def used(world: PartnerWorld, *items: tuple[int, str] | tuple[int, str, str], partner_id: str = "acme") -> str:
    """The fingerprint that the first item of a new request was answered by."""
    sent = world.send(items, partner_id=partner_id)
    world.work()
    return str(world.result_rows(sent)[0]["fingerprint"])


def calls(world: PartnerWorld) -> int:
    return len(world.base.model.sent)


def test_the_new_answer_is_asked_once_whoever_wants_it_first(make_world: MakeWorld) -> None:
    world = after_a_night(make_world, LEVEL)
    before, old = calls(world), used(world, (1, LEVEL))
    assert calls(world) == before
    pressed(world.base.tables, (title_id(1), LEVEL, 1), at=world.clock.now())
    world.clock.advance(60)
    new = used(world, (1, LEVEL))
    assert new != old
    assert used(world, (1, LEVEL), partner_id="bazaar") == new
    world.base.run("night-2", [LEVEL])
    assert calls(world) == before + 1
    assert world.base.answers(LEVEL)[title_id(1)]["fingerprint"] == new


def test_what_the_night_asked_again_is_the_partners_too(make_world: MakeWorld) -> None:
    world = after_a_night(make_world, LEVEL)
    pressed(world.base.tables, (title_id(1), LEVEL, 1), at=world.clock.now())
    world.base.run("night-2", [LEVEL])
    before = calls(world)
    assert used(world, (1, LEVEL)) == world.base.answers(LEVEL)[title_id(1)]["fingerprint"]
    assert calls(world) == before


def test_an_answer_of_the_combined_call_from_before_serves_the_other_parts_alone(make_world: MakeWorld) -> None:
    world = after_a_night(make_world, *SINGLES, COMBINED)
    combined = world.base.answers("content_summary")[title_id(1)]["fingerprint"]
    assert used(world, (1, LEVEL)) == combined
    pressed(world.base.tables, (title_id(1), LEVEL, 1), at=world.clock.now())
    world.clock.advance(60)
    before = calls(world)
    assert used(world, (1, "content_summary")) == combined
    assert calls(world) == before
    assert used(world, (1, LEVEL)) != combined
    assert used(world, (1, COMBINED)) != combined
    assert calls(world) == before + 2


def test_an_item_with_a_note_is_the_partners_own_and_stays_answered(make_world: MakeWorld) -> None:
    world = after_a_night(make_world, LEVEL)
    old = used(world, (1, LEVEL, "For a library."))
    pressed(world.base.tables, (title_id(1), LEVEL, 1), at=world.clock.now())
    world.clock.advance(60)
    before = calls(world)
    assert used(world, (1, LEVEL, "For a library.")) == old
    assert calls(world) == before
