"""ResidentTable: one run has a slot, and only a later one takes it."""

from dataclasses import replace
from datetime import timedelta

from manga_enrichment.gateways.residents import Resident, ResidentTable
from manga_enrichment_tests.fakes import FakeClock


def made(lane: str, clock: FakeClock, *, slot: int = 0, epoch: int = 5, run_id: str = "run-1") -> Resident:
    now = clock.now()
    return Resident(lane, slot, epoch, run_id, beat=1, beat_at=now, ends_at=now + timedelta(minutes=15), is_busy=True)


def test_a_row_reads_back_equal(residents: ResidentTable, clock: FakeClock, unique: str) -> None:
    row = made(unique, clock)
    assert residents.put(row)
    assert list(residents.residents(unique, 3)) == [row]


def test_its_own_run_renews_a_slot(residents: ResidentTable, clock: FakeClock, unique: str) -> None:
    row = made(unique, clock)
    assert residents.put(row)
    renewed = replace(row, beat=2, is_busy=False, has_left=True)
    assert residents.put(renewed)
    assert list(residents.residents(unique, 1)) == [renewed]


def test_a_later_epoch_takes_a_slot_and_the_earlier_run_loses_it(
    residents: ResidentTable, clock: FakeClock, unique: str
) -> None:
    first = made(unique, clock)
    later = made(unique, clock, epoch=6, run_id="run-2")
    assert residents.put(first)
    assert residents.put(later)
    assert not residents.put(replace(first, beat=2))
    assert list(residents.residents(unique, 1)) == [later]


def test_of_two_runs_with_one_epoch_the_first_has_the_slot(
    residents: ResidentTable, clock: FakeClock, unique: str
) -> None:
    assert residents.put(made(unique, clock))
    assert not residents.put(made(unique, clock, run_id="run-2"))


def test_slots_and_lanes_are_apart(residents: ResidentTable, clock: FakeClock, unique: str) -> None:
    for slot in (2, 0, 7):
        assert residents.put(made(unique, clock, slot=slot))
    assert residents.put(made(f"{unique}-other", clock))
    assert {row.slot for row in residents.residents(unique, 3)} == {0, 2}
