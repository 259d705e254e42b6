"""Requests are packed into few runs, in order, and never more than a run takes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.requests.queues import LOW_PRIORITY, NORMAL
from manga_enrichment.pipeline.partner.packing import Packing, UnitLimits
from manga_enrichment.pipeline.partner.stored.units import read_unit, write_unit
from manga_enrichment.pipeline.partner.work_units import UnitRequest, WorkUnit
from manga_enrichment_tests.fakes import MemoryTables

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def request(number: int, titles: int = 1, receive_count: int = 1) -> UnitRequest:
    return UnitRequest(
        request_id=f"request-{number}",
        generation=1,
        owner="claim",
        partner_id="acme",
        schema="batch_analysis",
        queue=NORMAL.name,
        message_id=f"m{number}",
        receipt_handle=f"r{number}",
        body_key="body",
        submitted_at=NOON,
        received_at=NOON,
        sent_at=NOON,
        receive_count=receive_count,
        titles=titles,
    )


def test_runs_of_the_low_priority_queue_take_more_since_nobody_waits_for_them() -> None:
    limits = UnitLimits(max_messages=2, max_titles=1_000)
    units = {name: Packing(name, 2, limits) for name in (NORMAL.name, LOW_PRIORITY.name)}
    for packing in units.values():
        for number in range(4):
            packing.add(request(number))
    assert [len(unit.requests) for unit in units[NORMAL.name].units()] == [2, 2]
    assert [len(unit.requests) for unit in units[LOW_PRIORITY.name].units()] == [4]


@given(
    st.lists(st.integers(1, 100), max_size=120),
    st.integers(1, 6),
    st.integers(1, 30),
    st.integers(100, 600),
)
def test_while_there_is_room_whatever_comes_fits(titles: list[int], units: int, messages: int, most: int) -> None:
    limits = UnitLimits(max_messages=messages, max_titles=most)
    packing = Packing(NORMAL.name, units, limits)
    added = []
    for number, count in enumerate(titles):
        if packing.room() < 1:
            break
        added.append(request(number, count))
        packing.add(added[-1])
    made = packing.units()
    assert len(made) <= units
    assert [each for unit in made for each in unit.requests] == added
    assert all(len(unit.requests) <= messages and unit.titles <= most for unit in made)


def test_small_requests_share_a_run() -> None:
    packing = Packing(NORMAL.name, 5, UnitLimits())
    for number in range(600):
        assert packing.room() > 0
        packing.add(request(number))
    assert [len(unit.requests) for unit in packing.units()] == [500, 100]


def test_a_request_delivered_for_the_last_time_runs_alone() -> None:
    packing = Packing(NORMAL.name, 5, UnitLimits())
    for number, count in enumerate((1, 3, 1)):
        packing.add(request(number, receive_count=count))
    assert [[each.request_id for each in unit.requests] for unit in packing.units()] == [
        ["request-0", "request-2"],
        ["request-1"],
    ]


def test_a_stored_unit_reads_back_the_same() -> None:
    tables, unit = MemoryTables(), WorkUnit(NORMAL.name, (request(1), request(2, titles=7)))
    write_unit(tables, unit)
    assert read_unit(tables, unit.key) == unit
    assert unit.key == "request-1:1"


def test_a_unit_that_is_gone_is_named() -> None:
    with pytest.raises(LookupError, match="there is no work unit request-1:1"):
        read_unit(MemoryTables(), "request-1:1")
