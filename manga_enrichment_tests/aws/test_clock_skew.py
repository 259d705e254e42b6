"""A clock that is too far from AWS's claims nothing: other runs would take over what it still works at."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.clock_skew import ClockSkew
from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.request_rows import make_row

SERVICE = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)
ANSWER = {"headers": {"date": format_datetime(SERVICE, usegmt=True)}}


def skewed_by(seconds: float) -> ClockSkew:
    skew = ClockSkew(lambda: SERVICE + timedelta(seconds=seconds))
    skew.note(ANSWER)
    return skew


@pytest.mark.parametrize("seconds", [-15.0, -1.0, 0.0, 0.9, 15.9])
def test_small_differences_are_allowed_for(seconds: float) -> None:
    skewed_by(seconds).check()


@pytest.mark.parametrize(
    ("seconds", "words"), [(120.0, "119 s ahead of"), (-16.0, "16 s behind"), (-4e3, "4000 s behind")]
)
def test_a_clock_beyond_the_bound_is_one_sentence(seconds: float, words: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{words} AWS's, and at most 15 s are allowed.*NTP"):
        skewed_by(seconds).check()


def test_each_of_two_machines_may_be_off_by_half_of_what_claims_allow_for() -> None:
    skew = skewed_by(40.0)
    skew.check(timedelta(seconds=80))
    with pytest.raises(ConfigurationError, match=r"at most 38\.5 s are allowed"):
        skew.check(timedelta(seconds=77))


def test_an_answer_without_a_date_says_nothing() -> None:
    skew = skewed_by(0.0)
    for answer in (None, {"headers": {}}, {"headers": {"date": "yesterday"}}):
        skew.note(answer)
    skew.check()


def test_a_clock_that_is_set_right_is_noticed() -> None:
    now = SERVICE + timedelta(seconds=120)
    skew = ClockSkew(lambda: now)
    skew.note(ANSWER)
    now = SERVICE
    skew.note(ANSWER)
    skew.check()


@pytest.mark.parametrize("seconds", [120, -120])
def test_the_services_tell_the_time_and_nothing_is_claimed_or_reserved_beyond_the_bound(
    aws_environment: dict[str, str], seconds: int
) -> None:
    skew = ClockSkew(lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    gateways = Gateways(load_settings(), AwsClients(skew), SystemClock())
    now = gateways.clock.now()
    with pytest.raises(ConfigurationError, match="The clock of this machine is"):
        gateways.budget.close_abandoned(["day:2026-01-15"], now)
    with pytest.raises(ConfigurationError, match="The clock of this machine is"):
        gateways.ledger.claim_many({"a-fingerprint": 5}, "run", now, now + timedelta(seconds=60))
    with pytest.raises(ConfigurationError, match="The clock of this machine is"):
        gateways.budget.reserve([], "run", 5, now + timedelta(seconds=60))
    assert gateways.ledger.get_many(["a-fingerprint"]) == {}
    row = make_row(gateways.clock)
    with pytest.raises(ConfigurationError, match="The clock of this machine is"):
        gateways.requests.claim(row, now)
    assert gateways.requests.get(row.request_id) is None
