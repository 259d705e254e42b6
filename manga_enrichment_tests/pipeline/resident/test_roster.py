"""The roster: how many residents a lane has, and which slot needs a run now."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from manga_enrichment.gateways.residents import Resident
from manga_enrichment.pipeline.resident.roster import Roster, surplus

NOW = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)
LIFE = timedelta(minutes=15)


class Lane:
    """A lane that is looked at every five seconds."""

    def __init__(self, *, writers_clock_is_ahead: timedelta = timedelta(0)) -> None:
        self.now = NOW
        self.roster = Roster()
        self.rows: dict[int, Resident] = {}
        self.coming: set[tuple[int, int]] = set()
        self.ahead = writers_clock_is_ahead

    def look(self) -> list[tuple[int, int]]:
        self.roster, launches = self.roster.looked(
            list(self.rows.values()), self.now, lambda slot, epoch: (slot, epoch) in self.coming
        )
        self.roster = Roster.from_document(self.roster.to_document())  # as the sensor's cursor keeps it
        self.coming |= set(launches)
        return launches

    def begin(self, slot: int, epoch: int) -> None:
        self.coming.discard((slot, epoch))
        written = self.now + self.ahead
        self.rows[slot] = Resident("urgent", slot, epoch, f"run-{epoch}", 1, written, written + LIFE)

    def beat(self, slot: int = 0) -> None:
        row, written = self.rows[slot], self.now + self.ahead
        self.rows[slot] = Resident(
            row.lane, row.slot, row.epoch, row.run_id, row.beat + 1, written, row.ends_at, has_left=row.has_left
        )

    def wait(self, seconds: float, *, beats: bool) -> None:
        self.now += timedelta(seconds=seconds)
        for slot in self.rows if beats else ():
            self.beat(slot)


def started() -> Lane:
    lane = Lane()
    [(slot, epoch)] = lane.look()
    lane.begin(slot, epoch)
    return lane


def test_a_lane_without_a_row_gets_its_run_once() -> None:
    lane = Lane()
    assert len(lane.look()) == 1
    for _ in range(10):
        lane.wait(5, beats=False)
        assert lane.look() == []


def test_a_run_that_never_came_is_asked_for_again_with_a_later_epoch() -> None:
    lane = Lane()
    [(_, first)] = lane.look()
    lane.coming.clear()
    lane.wait(5, beats=False)
    [(_, second)] = lane.look()
    assert second > first


def test_a_run_that_beats_is_left_alone() -> None:
    lane = started()
    for _ in range(100):
        lane.wait(5, beats=True)
        assert lane.look() == []


@pytest.mark.parametrize("ahead_seconds", [-30, 0, 30])
def test_a_run_that_shows_no_life_is_followed_within_fifteen_seconds(ahead_seconds: int) -> None:
    """Whatever the two clocks say."""
    lane = Lane(writers_clock_is_ahead=timedelta(seconds=ahead_seconds))
    [(slot, epoch)] = lane.look()
    lane.begin(slot, epoch)
    for _ in range(5):
        lane.wait(5, beats=True)
        assert lane.look() == []
    waited, launches = 0, list[tuple[int, int]]()
    while not launches:
        lane.wait(5, beats=False)
        waited += 5
        launches = lane.look()
    assert waited <= 15
    assert launches[0][1] > epoch


def test_the_successor_is_started_a_minute_before_the_end_and_only_once() -> None:
    lane = started()
    launched_at = []
    while lane.now < NOW + LIFE:
        lane.wait(5, beats=True)
        launched_at += [lane.now for _ in lane.look()]
    assert launched_at == [NOW + LIFE - timedelta(seconds=60)]


def test_a_run_that_has_left_is_followed_at_once() -> None:
    lane = started()
    lane.wait(5, beats=True)
    row = lane.rows[0]
    lane.rows[0] = Resident(row.lane, 0, row.epoch, row.run_id, 9, lane.now, row.ends_at, has_left=True)
    assert len(lane.look()) == 1


def test_more_are_wanted_after_a_minute_of_backlog_and_fewer_after_five_without() -> None:
    roster, now = Roster(), NOW
    while roster.wanted == 1:
        roster, now = roster.scaled(3, now), now + timedelta(seconds=5)
    assert (roster.wanted, now - NOW) == (3, timedelta(seconds=65))
    began = now
    while roster.wanted == 3:
        roster, now = roster.scaled(1, now), now + timedelta(seconds=5)
    assert (roster.wanted, now - began) == (1, timedelta(seconds=305))


def test_a_backlog_that_comes_and_goes_starts_nothing() -> None:
    roster = Roster()
    for step in range(100):
        roster = roster.scaled(3 if step % 10 < 9 else 1, NOW + timedelta(seconds=5 * step))
    assert roster.wanted == 1


def test_who_is_wanted_no_more_is_told() -> None:
    lane = started()
    lane.roster = Roster(wanted=2, seen=lane.roster.seen)
    [(slot, epoch)] = lane.look()
    lane.begin(slot, epoch)
    fewer = Roster(wanted=1, seen=lane.roster.seen)
    assert [row.slot for row in surplus(fewer, list(lane.rows.values()))] == [1]


def test_no_more_are_on_their_way_than_are_there() -> None:
    lane = started()
    lane.roster = replace(lane.roster, wanted=20)
    there = 1
    while there < 20:
        lane.wait(5, beats=True)
        launches = lane.look()
        assert launches
        assert len(launches) == min(there, 20 - there)
        lane.wait(5, beats=True)
        assert lane.look() == []  # they wait for a place
        for slot, epoch in launches:
            lane.begin(slot, epoch)
        there += len(launches)
    assert sorted(lane.rows) == list(range(20))


def test_all_that_end_together_have_their_successors_in_time() -> None:
    lane = started()
    lane.roster = replace(lane.roster, wanted=20)
    for slot in range(20):
        lane.begin(slot, 7)
    lane.look()
    lane.coming.clear()
    lane.now = lane.rows[0].ends_at - timedelta(seconds=59)
    lane.wait(0, beats=True)
    assert len(lane.look()) == 20
