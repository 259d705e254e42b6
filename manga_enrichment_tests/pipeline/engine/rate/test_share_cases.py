"""Lanes share a quota by weight, whoever wakes, sleeps, dies or cannot see the others: simulated, in virtual time."""

import pytest

from manga_enrichment_tests.pipeline.engine.rate.share_cases import (
    ShareCase,
    changing_cases,
    happenings,
    steady_cases,
)

pytestmark = pytest.mark.slow

STEADY = [case for case in steady_cases() if len(case.senders) in (1, 8) or "8:4:2:1" in case.name]
"""The others, 32 senders among them, are in `python -m benchmarks shares`."""


def test_all_services_are_there_told_and_untold() -> None:
    assert len(STEADY) == 24


@pytest.mark.parametrize(
    "case",
    [*STEADY, *happenings(True), *happenings(False), *changing_cases()],
    ids=lambda case: f"{case.name}, {case.told}",
)
def test_senders_reach_what_they_must(case: ShareCase) -> None:
    row = case.measured()
    assert case.faults(row) == [], row
