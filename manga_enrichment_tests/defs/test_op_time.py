"""All tries of an op share one deadline."""

import itertools

import dagster as dg
import pytest

from manga_enrichment.defs.shared.op_time import OpTime
from manga_enrichment.defs.shared.policies import configuration_errors_are_final, retry_if_hopeful
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment_tests.fakes import FakeClock

THROTTLED = InvokeReport("reading_level", 10, error_classes={"throttled": 10})


def in_an_op(op: dg.OpDefinition) -> dg.ExecuteInProcessResult:
    return dg.GraphDefinition("around", node_defs=[op]).execute_in_process(raise_on_error=False)


def test_each_try_has_what_the_tries_before_it_and_their_waits_left() -> None:
    left: list[float] = []

    @dg.op
    def asks(context: dg.OpExecutionContext) -> None:
        left.append(OpTime.of(context, FakeClock(), 100.0).left_seconds())
        raise dg.RetryRequested(max_retries=3, seconds_to_wait=0)

    assert not in_an_op(asks).success
    assert left[0] == 100.0
    assert len(left) == 4
    assert all(later < earlier for earlier, later in itertools.pairwise(left))


def test_time_passes_within_a_try() -> None:
    left: list[float] = []

    @dg.op
    def asks(context: dg.OpExecutionContext) -> None:
        clock = FakeClock()
        time = OpTime.of(context, clock, 100.0)
        for _ in range(2):
            clock.advance(60)
            left.append(time.left_seconds())

    assert in_an_op(asks).success
    assert left == [40.0, 0.0]


def test_another_try_is_asked_for_only_where_it_would_begin_in_time() -> None:
    @dg.op
    def asks(context: dg.OpExecutionContext) -> None:
        with pytest.raises(dg.RetryRequested):
            retry_if_hopeful(context, THROTTLED, 60.0)
        retry_if_hopeful(context, THROTTLED, 3.0)

    assert in_an_op(asks).success


@pytest.mark.parametrize("error", [ModelError(ErrorClass.CONNECTION, "nobody there"), StoreUnavailableError("away")])
@pytest.mark.parametrize(("left_seconds", "may_retry"), [(60.0, True), (1.0, False)])
def test_what_is_away_is_looked_for_again_as_long_as_there_is_time(
    error: Exception, left_seconds: float, *, may_retry: bool
) -> None:
    with pytest.raises(dg.Failure) as caught, configuration_errors_are_final(lambda: left_seconds):
        raise error
    assert caught.value.allow_retries is may_retry
