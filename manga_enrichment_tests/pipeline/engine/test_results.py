"""Results and entries: each in whole, so that no field of it can go astray."""

from dataclasses import replace

import pytest

from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.engine.calls import CallResult
from manga_enrichment.pipeline.engine.results import cached, deferred, entry_of, follower, settled, unsaved, unsettled
from manga_enrichment.pipeline.engine.verdicts import CallOutcome
from manga_enrichment_tests.builders import BUCKET, provenance, title_id
from manga_enrichment_tests.fakes import START
from manga_enrichment_tests.pipeline.engine.engine_rig import ANALYSIS, MODEL, call_of

CALL = call_of(1)
PAID = Attempt(1, START, 900, cost_micro_usd=70)
FREE = Attempt(2, START, 5)
ANSWERED = CallOutcome({"level": "teen"}, (PAID, FREE), message="told")
DECLINED = CallOutcome(None, (PAID,), ErrorClass.REFUSAL, "declined")
THROTTLED = CallOutcome(None, (FREE,), ErrorClass.THROTTLED, "slow down")


@pytest.mark.parametrize(("outcome", "kind"), [(ANSWERED, Outcome.SUCCEEDED), (DECLINED, Outcome.FAILED)])
def test_an_entry_says_what_was_asked_by_whom_and_what_came_of_it(outcome: CallOutcome, kind: Outcome) -> None:
    assert entry_of(CALL, outcome, provenance(), START) == LedgerEntry(
        fingerprint=CALL.fingerprint,
        outcome=kind,
        analysis=ANALYSIS.name,
        manga_id=title_id(1),
        bucket=BUCKET,
        model_id=MODEL.model_id,
        prompt_version=ANALYSIS.version,
        provenance=provenance(),
        created_at=START,
        attempts=outcome.attempts,
        answer=outcome.answer,
        error_class=outcome.error_class,
    )


def test_a_settled_call_has_the_entry_that_stands_and_its_own_attempts() -> None:
    stands = entry_of(CALL, DECLINED, provenance("run-9"), START)
    assert settled(CALL, ANSWERED, stands) == CallResult(
        CALL, Outcome.FAILED, stands, ErrorClass.REFUSAL, (PAID, FREE), message="told"
    )


def test_a_passing_failure_has_no_entry_and_says_why() -> None:
    assert unsettled(CALL, THROTTLED, "slow down") == CallResult(
        CALL, Outcome.DEFERRED, None, ErrorClass.THROTTLED, (FREE,), message="slow down"
    )


def test_what_could_not_be_saved_may_have_been_billed_where_it_cost_anything() -> None:
    assert unsaved(CALL, ANSWERED, "no writes") == CallResult(
        CALL,
        Outcome.DEFERRED,
        None,
        ErrorClass.LEDGER_UNAVAILABLE,
        (replace(PAID, maybe_billed=True), FREE),
        message="no writes",
    )


def test_what_was_not_sent_says_why() -> None:
    known = CallResult(CALL, Outcome.DEFERRED, None, ErrorClass.BUDGET, message="no room")
    assert deferred(CALL, ErrorClass.BUDGET, "no room") == known


def test_a_follower_shares_the_outcome_and_pays_nothing() -> None:
    entry = entry_of(CALL, ANSWERED, provenance(), START)
    other = replace(CALL, bucket="b42")
    followed = settled(CALL, ANSWERED, entry)
    assert follower(other, followed) == replace(cached(other, entry), message="told")
    left = follower(other, unsettled(CALL, THROTTLED, "slow down"))
    assert left == CallResult(other, Outcome.DEFERRED, None, ErrorClass.THROTTLED, message="slow down")
