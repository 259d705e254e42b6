"""When an op is tried again, how long it waits, and when it is not."""

from collections.abc import Mapping
from types import MappingProxyType

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, permanent_failure, store_check
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.incidents import ADVICE
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.engine.retry_rules import MODEL_TIMEOUT, RULES, THROTTLING, RetryRule, retry_rule


def report(
    error_classes: Mapping[str, int] = MappingProxyType({}), *, titles: int = 100, stopped_by: str = ""
) -> InvokeReport:
    counts = dict(error_classes)
    return InvokeReport("reading_level", titles, error_classes=counts, stopped_by=stopped_by, stopped_message="why")


@pytest.mark.parametrize(
    ("error_classes", "rule"),
    [
        ({}, None),
        ({"throttled": 20}, None),
        ({"throttled": 21}, THROTTLING),
        ({"service_unavailable": 60, "read_timeout": 40}, THROTTLING),
        ({"read_timeout": 60, "throttled": 40}, MODEL_TIMEOUT),
        ({"refusal": 100}, None),
        ({"budget": 100}, None),
        ({"deadline": 100}, None),
    ],
)
def test_an_op_is_tried_again_when_a_large_share_got_no_answer(
    error_classes: dict[str, int], rule: RetryRule | None
) -> None:
    assert retry_rule(report(error_classes)) == rule


def test_nothing_asked_is_nothing_to_try_again() -> None:
    assert retry_rule(report(titles=0)) is None


def test_waits_grow_as_documented() -> None:
    middle = [THROTTLING.wait_seconds(number, 0.5) for number in range(THROTTLING.tries - 1)]
    assert middle == [5, 10, 20, 40]
    assert [MODEL_TIMEOUT.wait_seconds(number, 0.5) for number in range(MODEL_TIMEOUT.tries - 1)] == [10, 15]


@given(st.integers(0, 4), st.floats(0, 1, exclude_max=True))
def test_jitter_moves_a_wait_by_at_most_a_quarter(number: int, jitter: float) -> None:
    middle = THROTTLING.wait_seconds(number, 0.5)
    assert 0.75 * middle <= THROTTLING.wait_seconds(number, jitter) <= 1.25 * middle


@pytest.mark.parametrize("error_class", RULES)
def test_only_passing_errors_of_the_model_are_worth_another_try(error_class: ErrorClass) -> None:
    assert TREATMENTS[error_class].transient
    assert not TREATMENTS[error_class].stops_analysis


@pytest.mark.parametrize("error_class", [each for each in ErrorClass if TREATMENTS[each].stops_analysis])
def test_an_error_that_no_title_survives_is_named_with_what_to_do(error_class: ErrorClass) -> None:
    sentence = permanent_failure(report(stopped_by=error_class.value))
    assert sentence is not None
    assert sentence.startswith(f"reading_level stopped ({error_class.value}): why. To mend it: ")
    assert sentence.endswith(ADVICE[error_class])


@pytest.mark.parametrize("stopped_by", ["", "throttled", "budget"])
def test_what_passes_by_itself_is_no_permanent_failure(stopped_by: str) -> None:
    assert permanent_failure(report(stopped_by=stopped_by)) is None


def test_a_wrong_setting_ends_a_check_at_its_first_try_with_the_sentence() -> None:
    tries: list[int] = []

    @dg.asset
    def looked_at() -> None: ...

    @store_check(asset=looked_at)
    def holds(clock: dg.ResourceParam[object]) -> dg.AssetCheckResult:
        tries.append(1)
        raise ConfigurationError(f"the bucket does not exist for {clock}")

    resources = {"clock": dg.ResourceDefinition.hardcoded_resource("a test")}
    job = dg.Definitions([looked_at], asset_checks=[holds], resources=resources).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(raise_on_error=False)
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.user_failure_data is not None
    assert failed.step_failure_data.user_failure_data.description == "the bucket does not exist for a test"
    assert len(tries) == 1
    assert holds.node_def.retry_policy is OP_RETRY_POLICY  # type: ignore[attr-defined]
