"""Two nights, a backfill and partners' batches for the same titles at once: one meter, one log, one ledger."""

import random

import pytest

from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import COMBINED, SINGLES
from manga_enrichment_tests.shared_night import TITLES, SharedNight, total


def partner_day(shared: SharedNight, name: str) -> list[str]:
    """Two batches for all titles, the second of which asks for what the first one asks for, worked at by two runs."""
    items = [(number, analysis) for number in range(TITLES) for analysis in SINGLES[:3]]
    return [shared.partners.send(items, partner_id=f"{name}-{number}") for number in (1, 2)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fault_rate", [0.0, 0.08])
def test_nights_backfill_and_partners_at_once_pay_for_each_title_once(seed: int, fault_rate: float) -> None:
    shared = SharedNight(seed, fault_rate=fault_rate, concurrency=2)
    sent = partner_day(shared, "acme")
    rng = random.Random(seed)
    shared.clock.together(
        (0, lambda: shared.night("night-1")),
        (rng.uniform(0, 5), lambda: shared.night("night-2", SINGLES[::-1])),
        (rng.uniform(0, 5), lambda: shared.night("backfill", SINGLES[2:], "backfill")),
        (rng.uniform(0, 5), shared.partners.work),
        (rng.uniform(0, 5), shared.partners.work),
    )
    shared.partners.drain()
    shared.night("next-night")  # what a lost answer left over
    shared.assert_books_agree()
    shared.assert_each_question_was_answered_once()
    assert len(shared.base.ledger.entries) == TITLES * len(SINGLES)
    assert {shared.partners.state(each) for each in sent} == {"completed"}
    payers = {row["dagster_run_id"] for row in shared.log() if row["cost_micro_usd"]}
    assert {"night-1", "night-2", "backfill"} <= payers, "they did not meet: the test shows nothing"
    assert any(run.startswith("partner-run") for run in payers)


def test_two_nights_that_both_chose_the_combined_call_pay_for_it_once() -> None:
    shared = SharedNight()
    shared.clock.together(
        (0, lambda: shared.night("night-1", list(ANALYSES))), (1, lambda: shared.night("night-2", list(ANALYSES)))
    )
    shared.assert_books_agree()
    shared.assert_each_question_was_answered_once()
    asked = {row["analysis"] for row in shared.log()}
    assert (asked, len(shared.base.ledger.entries)) == ({COMBINED}, TITLES)


@pytest.mark.parametrize("partner_id", ["acme", "globex"])
def test_a_partner_pays_for_what_its_own_runs_asked_and_for_nothing_else(partner_id: str) -> None:
    shared = SharedNight()
    items = [(number, "reading_level") for number in range(TITLES)]
    sent = [shared.partners.send(items, partner_id=each) for each in ("acme", "globex")]
    shared.clock.together((0, lambda: shared.night("night-1", ["reading_level"])), (0.5, shared.partners.work))
    shared.partners.drain()
    shared.assert_books_agree()
    day = shared.start.date().isoformat()
    logged = total(row for row in shared.log() if row["partner_id"] == partner_id)
    charged = sum(
        shared.partners.row(each).cost_micro_usd for each in sent if partner_id == shared.partners.row(each).partner_id
    )
    assert shared.base.budget.spent(f"partner:{partner_id}:{day}")[1] == logged == charged
