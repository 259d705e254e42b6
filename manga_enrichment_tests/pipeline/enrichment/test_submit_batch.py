"""The batch lane packs a plan into jobs; nothing else asks for their titles meanwhile."""

from collections.abc import Iterable

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import Stage
from manga_enrichment.gateways.model import ModelCall
from manga_enrichment.pipeline.engine.money.budget import Caps
from manga_enrichment.pipeline.enrichment.asking.submit_batch import BatchSettings
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.batch_world import DAY, NAME, BatchWorld
from manga_enrichment_tests.builders import BUCKET, provenance, title_id
from manga_enrichment_tests.fake_batch import UNAVAILABLE, MemoryBatch
from manga_enrichment_tests.planned import read_plan


def orders(world: BatchWorld) -> list[list[str]]:
    """Record ids of each job at the service."""
    uploads = (world.batch.uploads[job.order.input_key] for job in world.batch.created.values())
    return [[record for record, _ in upload] for upload in uploads]


def test_calls_become_even_jobs_in_the_order_of_their_fingerprints() -> None:
    world = BatchWorld(titles=6)
    report = world.start()
    assert report.error_classes == {"batch_pending": 6}
    assert [len(job) for job in orders(world)] == [3, 3]
    assert all(job == sorted(job) for job in orders(world))


def test_a_job_asks_with_the_token_of_its_titles_and_tells_the_service_where_to_work() -> None:
    world = BatchWorld(titles=3)
    world.start()
    (job,) = world.batch.created.values()
    assert job.order.input_key == f"batch/{job.order.token}/input/records.jsonl"
    assert job.order.output_prefix == f"batch/{job.order.token}/output/"
    assert job.order.timeout_hours == 24


def test_titles_of_an_open_job_are_planned_as_pending_and_written_as_such() -> None:
    world = BatchWorld()
    world.start()
    assert world.plan("run-2").analyses[NAME].actions == {Action.PENDING.value: 5}
    assert world.publish("run-3") == {}
    outcomes = world.world.outcomes(NAME).values()
    assert {(row["outcome"], row["error_class"], row["transient"]) for row in outcomes} == {
        ("deferred", "batch_pending", True)
    }
    assert world.world.model.sent == []


def test_a_run_that_planned_before_the_job_was_made_does_not_ask_either() -> None:
    world = BatchWorld()
    world.plan("early")
    world.start()
    report = world.ask("early")
    assert report.error_classes == {"batch_pending": 5}
    assert world.world.model.sent == []


def test_a_second_try_of_the_op_orders_nothing_twice() -> None:
    world = BatchWorld()
    world.start()
    again = world.submit()
    assert again.error_classes == {"batch_pending": 5}
    assert len(world.batch.created) == 2


def test_the_estimate_is_reserved_until_the_job_is_settled() -> None:
    world = BatchWorld()
    world.start()
    reserved = sum(world.store.job(token).reserve_micro_usd for token in world.store.stages())
    assert world.money() == (reserved, 0)
    world.follow()
    assert world.money() == (world.batch.billed_micro_usd, world.batch.billed_micro_usd)


def test_a_cap_with_room_for_some_titles_gets_a_job_for_those() -> None:
    caps = Caps(per_day_micro_usd=4000)
    world = BatchWorld(titles=5, settings=BatchSettings(min_titles=2, min_records=2, records_per_job=5, caps=caps))
    report = world.start()
    assert report.error_classes == {"batch_pending": 3, "budget": 2}
    assert 0 < world.money()[0] <= 4000


def test_a_cap_without_room_for_a_job_defers_every_title_and_holds_none() -> None:
    world = BatchWorld(settings=BatchSettings(min_titles=2, min_records=2, caps=Caps(per_run_micro_usd=10)))
    assert world.start().error_classes == {"budget": 5}
    assert (world.batch.created, world.world.ledger.claimed) == ({}, {})


def test_titles_that_another_run_is_asking_for_stay_out_of_the_job() -> None:
    world = BatchWorld(titles=3)
    world.plan()
    fingerprint = next(iter(asked_fingerprints(world)))
    now = world.world.clock.now()
    world.world.ledger.claim_many({fingerprint: 0}, "another run", now, now.replace(year=now.year + 1))
    report = world.submit()
    assert report.error_classes == {"batch_pending": 2, "claimed_elsewhere": 1}
    assert [len(job) for job in orders(world)] == [2]
    assert world.world.ledger.claimed[fingerprint] == "another run"


def test_too_few_titles_for_a_job_are_left_to_the_next_run() -> None:
    world = BatchWorld(titles=2)
    world.plan()
    fingerprint = next(iter(asked_fingerprints(world)))
    now = world.world.clock.now()
    world.world.ledger.claim_many({fingerprint: 0}, "another run", now, now.replace(year=now.year + 1))
    assert world.submit().error_classes == {"claimed_elsewhere": 1, "stopped": 1}
    assert set(world.world.ledger.claimed.values()) == {"another run"}


def test_a_service_without_room_gets_the_job_later_and_money_is_set_aside_once() -> None:
    world = BatchWorld(titles=3)
    world.batch.refuses = UNAVAILABLE
    assert world.start().error_classes == {"batch_pending": 3}
    reserved = world.money()[0]
    for _ in range(3):
        world.wait(minutes=10)
        assert list(world.look().waiting.values()) == ["prepared"]
    assert world.money() == (reserved, 0)
    world.batch.refuses = None
    world.follow()
    assert len(world.publish()) == 3


def test_an_order_that_is_refused_for_good_gives_everything_back_and_says_why() -> None:
    world = BatchWorld(titles=3)
    world.batch.refuses = ConfigurationError("the role can not be assumed")
    world.plan()
    with pytest.raises(ConfigurationError, match="the role can not be assumed"):
        world.submit()
    assert set(world.store.stages().values()) == {Stage.SETTLED}
    assert (world.money(), world.world.ledger.claimed) == ((0, 0), {})


def test_titles_of_a_job_that_was_given_up_can_be_ordered_again_under_another_token() -> None:
    world = BatchWorld(titles=3)
    world.batch.refuses = ConfigurationError("no")
    world.plan()
    with pytest.raises(ConfigurationError):
        world.submit()
    world.batch.refuses = None
    assert world.start("run-2").error_classes == {"batch_pending": 3}
    assert len(world.store.stages()) == 2
    world.follow()
    assert len(world.publish("run-3")) == 3


def test_a_prepared_job_whose_titles_were_answered_meanwhile_is_given_up() -> None:
    world = BatchWorld(titles=3)
    world.batch.refuses = UNAVAILABLE
    world.start()
    (token,) = world.store.stages()
    job = world.store.job(token)
    world.world.ledger.release_many(world.store.fingerprints(token), job.owner)
    now = world.world.clock.now()
    world.world.ledger.claim_many(
        dict.fromkeys(world.store.fingerprints(token)[:1], 0), "fast", now, now.replace(year=now.year + 1)
    )
    world.batch.refuses = None
    world.wait(minutes=10)
    world.look()
    assert world.settlements() == {token: "overtaken"}
    assert (world.batch.created, world.money()) == ({}, (0, 0))
    assert set(world.world.ledger.claimed.values()) == {"fast"}


def test_a_deferred_title_is_in_the_log_under_the_lane_that_took_it() -> None:
    world = BatchWorld(titles=3)
    world.start()
    world.world.writing().write(ANALYSES[NAME], BUCKET, provenance())
    assert {(row["manga_id"], row["lane"], row["error_class"]) for row in world.world.log()} == {
        (title_id(number), "batch", "batch_pending") for number in (1, 2, 3)
    }


def asked_fingerprints(world: BatchWorld) -> list[str]:
    return [row.fingerprint for row in read_plan(world.world.tables, "run-1", BUCKET, [NAME])]


def test_the_budgets_day_is_the_runs_day() -> None:
    world = BatchWorld(titles=3)
    world.start()
    (token,) = world.store.stages()
    assert DAY in {scope.counter for scope in world.store.job(token).scopes}


class FullDisk(MemoryBatch):
    def upload(self, key: str, records: Iterable[tuple[str, ModelCall]]) -> None:
        raise OSError("disk full")


def test_what_could_not_be_written_down_holds_no_claims() -> None:
    world = BatchWorld(titles=3)
    world.batch = FullDisk(world.world.clock)
    world.plan()
    with pytest.raises(OSError, match="disk full"):
        world.submit()
    assert (world.world.ledger.claimed, world.store.stages()) == ({}, {})
