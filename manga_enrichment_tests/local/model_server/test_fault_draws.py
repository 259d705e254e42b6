"""Which request gets which fault: settings that are refused, and draws that never depend on timing."""

import hashlib
import json
import statistics
from collections import Counter
from typing import Any

import pytest

from manga_enrichment.local.model_server.faults import (
    FaultKind,
    FaultPlan,
    FaultSettings,
    FaultSettingsError,
    parse_fault_settings,
)


def digests(count: int) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in range(count)]


def plan(**settings: Any) -> FaultPlan:
    return FaultPlan(parse_fault_settings(json.dumps(settings).encode()))


def test_the_same_seed_gives_the_same_faults_in_any_order_of_arrival() -> None:
    first, second = plan(throttle_probability=0.3, seed=5), plan(throttle_probability=0.3, seed=5)
    forward = {digest: first.draw(digest) for digest in digests(200)}
    backward = {digest: second.draw(digest) for digest in reversed(digests(200))}
    assert forward == backward


def test_another_seed_gives_other_faults() -> None:
    one, other = plan(throttle_probability=0.5, seed=1), plan(throttle_probability=0.5, seed=2)
    assert [one.draw(digest).kind for digest in digests(50)] != [other.draw(digest).kind for digest in digests(50)]


def test_a_prompt_that_comes_again_draws_again() -> None:
    faults = plan(throttle_probability=0.5)
    kinds = {faults.draw(digests(1)[0]).kind for _ in range(60)}
    assert kinds == {FaultKind.THROTTLED, FaultKind.NONE}


def test_each_fault_comes_as_often_as_its_probability_says() -> None:
    faults = plan(throttle_probability=0.2, error_probability=0.1, empty_probability=0.3)
    kinds = Counter(faults.draw(digest).kind for digest in digests(4_000))
    assert kinds[FaultKind.THROTTLED] == pytest.approx(800, rel=0.15)
    assert kinds[FaultKind.ERROR] == pytest.approx(400, rel=0.2)
    assert kinds[FaultKind.EMPTY] == pytest.approx(1_200, rel=0.15)
    assert kinds[FaultKind.NONE] == pytest.approx(1_600, rel=0.15)


def test_a_certain_fault_always_comes() -> None:
    faults = plan(refusal_probability=1.0)
    assert {faults.draw(digest).kind for digest in digests(500)} == {FaultKind.REFUSAL}


def test_lognormal_latencies_have_the_median_that_was_set() -> None:
    faults = plan(latency={"lognormal": {"median_ms": 800, "sigma": 0.5}})
    seconds = [faults.draw(digest).latency_seconds for digest in digests(2_000)]
    assert statistics.median(seconds) == pytest.approx(0.8, rel=0.1)
    assert statistics.quantiles(seconds, n=100)[94] == pytest.approx(0.8 * 2.276, rel=0.15)


def test_a_fixed_latency_needs_no_draw() -> None:
    assert plan(latency={"fixed_ms": 25}).draw(digests(1)[0]).latency_seconds == 0.025


def test_without_settings_nothing_happens() -> None:
    fault = FaultPlan(FaultSettings()).draw(digests(1)[0])
    assert (fault.kind, fault.latency_seconds) == (FaultKind.NONE, 0.0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"throttling": 0.5}, "throttling: .*Known keys: latency, quota, throttle_probability"),
        ({"throttle_probability": 1.5}, "throttle_probability: "),
        ({"throttle_probability": "0.5"}, "throttle_probability: "),
        ({"throttle_probability": 0.6, "error_probability": 0.6}, "not add up to more than 1"),
        ({"latency": {"fixed": 5}}, "latency.fixed: "),
        ({"latency": {"fixed_ms": -1}}, "latency.fixed_ms: "),
        ({"latency": {}}, "exactly one of fixed_ms and lognormal"),
        ({"latency": {"lognormal": {"median_ms": 0, "sigma": 1}}}, "latency.lognormal.median_ms: "),
        ({"quota": {"requests": 5}}, "quota.requests: "),
        ({"quota": {"burst_seconds": 0}}, "quota.burst_seconds: "),
        ({"seed": 0.5}, "seed: "),
        ([], "faults: "),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings: Any, said: str) -> None:
    with pytest.raises(FaultSettingsError, match=said):
        parse_fault_settings(json.dumps(settings).encode())


def test_a_body_that_is_not_json_is_refused() -> None:
    with pytest.raises(FaultSettingsError, match="JSON"):
        parse_fault_settings(b"{")
