"""StatusStore: the last word on each partition of each analysis."""

from dataclasses import replace
from datetime import timedelta

from manga_enrichment.domain.trials.canary import Canary, CanaryState
from manga_enrichment.gateways.status import PartitionStatus, StatusStore
from manga_enrichment_tests.fakes import FakeClock


def make_status(analysis: str, bucket: str, clock: FakeClock) -> PartitionStatus:
    return PartitionStatus(
        analysis=analysis,
        bucket=bucket,
        status="failed",
        run_id="run-1",
        trigger="schedule",
        updated_at=clock.now(),
        counts={"succeeded": 12, "deferred": 3},
        cost_micro_usd=123_456,
        error_class="throttled",
    )


def test_a_status_reads_back_equal(status: StatusStore, clock: FakeClock, unique: str) -> None:
    row = make_status(unique, "0001", clock)
    status.put_partition(row)
    assert list(status.partitions(unique, ["0001"])) == [row]


def test_the_last_status_counts(status: StatusStore, clock: FakeClock, unique: str) -> None:
    row = make_status(unique, "0001", clock)
    status.put_partition(row)
    status.put_partition(replace(row, status="succeeded", error_class="", counts={}, cost_micro_usd=0))
    assert [each.status for each in status.partitions(unique, ["0001"])] == ["succeeded"]


def test_missing_partitions_are_left_out_and_the_order_is_the_callers(
    status: StatusStore, clock: FakeClock, unique: str
) -> None:
    for bucket in range(0, 120, 2):
        status.put_partition(make_status(unique, f"{bucket:04}", clock))
    status.put_partition(make_status(f"{unique}-other", "0001", clock))
    asked = [f"{bucket:04}" for bucket in range(119, -1, -1)]
    assert [each.bucket for each in status.partitions(unique, asked)] == asked[1::2]
    assert list(status.partitions(unique, [])) == []


def test_the_last_canary_of_an_analysis_reads_back_equal(status: StatusStore, clock: FakeClock, unique: str) -> None:
    assert status.canary(unique) is None
    canary = Canary(unique, "2", "model", 5.5, clock.now(), may_drift=("reading_level",))
    status.put_canary(canary)
    status.put_canary(replace(canary, analysis=f"{unique}-other", percent=1))
    assert status.canary(unique) == canary
    failed = replace(canary, state=CanaryState.FAILED, said="levels moved")
    assert status.judge_canary(failed)
    assert status.canary(unique) == failed


def test_a_verdict_on_a_canary_that_another_has_replaced_changes_nothing(
    status: StatusStore, clock: FakeClock, unique: str
) -> None:
    old = Canary(unique, "2", "model", 5, clock.now())
    assert not status.judge_canary(old), "there is none"
    new = replace(old, version="3", started_at=old.started_at + timedelta(seconds=1))
    status.put_canary(new)
    assert not status.judge_canary(replace(old, state=CanaryState.PASSED))
    assert status.canary(unique) == new
