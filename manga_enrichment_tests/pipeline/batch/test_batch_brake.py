"""The brake and the batch lane: no job is made while it is on; those that run are named, and stopped on request."""

from datetime import timedelta

from manga_enrichment.domain.models.batch_jobs import JobStatus, Stage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.batch import BatchState
from manga_enrichment.gateways.budget import Brake
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.pipeline.batch.running_jobs import UNKNOWN, running_jobs
from manga_enrichment_tests.batch_world import BatchWorld
from manga_enrichment_tests.fake_batch import UNAVAILABLE, MemoryBatch


def pull(world: BatchWorld) -> Brake:
    return world.world.budget.put_brake_on(Brake("the bill looks wrong", world.world.clock.now()))


def test_with_the_brake_on_no_job_is_prepared_and_every_title_is_deferred() -> None:
    world = BatchWorld()
    brake = pull(world)
    report = world.start()
    assert report.error_classes == {ErrorClass.BRAKE.value: 5}
    assert (world.store.stages(), world.batch.created, world.world.ledger.claimed) == ({}, {}, {})
    assert world.money() == (0, 0)
    world.world.budget.take_brake_off()
    assert world.start("run-2").error_classes == {"batch_pending": 5}
    assert brake.sentence() not in world.said


def test_a_job_on_record_waits_for_the_brake_and_is_made_afterwards() -> None:
    world = BatchWorld(titles=3)
    world.batch.refuses = UNAVAILABLE
    world.start()
    world.batch.refuses = None
    brake = pull(world)
    world.wait(minutes=10)
    assert list(world.look().waiting.values()) == ["prepared"]
    assert world.batch.created == {}
    assert any(brake.sentence() in each for each in world.said)
    world.world.budget.take_brake_off()
    world.follow()
    assert len(world.batch.created) == 1
    assert set(world.settlements().values()) == {"Completed"}


def test_jobs_that_run_are_named_with_what_is_set_aside_for_them() -> None:
    world = BatchWorld(titles=6)
    world.start()
    jobs = running_jobs(world.world.tables, world.batch)
    assert [job.records for job in jobs] == [3, 3]
    assert sum(job.at_most_micro_usd for job in jobs) == world.money()[0] > 0
    assert {job.job_id for job in jobs} == set(world.batch.created)
    assert not any(job.is_stopped for job in jobs)


def test_stopped_jobs_end_and_their_claims_and_money_come_back() -> None:
    world = BatchWorld(titles=6)
    world.start()
    pull(world)
    assert all(job.is_stopped for job in running_jobs(world.world.tables, world.batch, stop=True))
    world.follow()
    assert set(world.settlements().values()) == {JobStatus.STOPPED.value}
    assert world.money() == (0, 0)
    assert world.world.ledger.claimed == {}
    assert running_jobs(world.world.tables, world.batch) == []


def test_a_job_that_has_ended_is_not_named_before_it_is_settled() -> None:
    world = BatchWorld(titles=3)
    world.start()
    (job_id,) = world.batch.created
    while world.batch.state(job_id).ended_at is None:
        world.wait(minutes=10)
    assert set(world.store.stages().values()) == {Stage.SUBMITTED}
    assert running_jobs(world.world.tables, world.batch) == []


class SilentBatch(MemoryBatch):
    """Bedrock's control plane is away."""

    def __init__(self, clock: Clock, known: MemoryBatch) -> None:
        super().__init__(clock)
        self.created = known.created

    def state(self, job_id: str) -> BatchState:
        raise UNAVAILABLE


def test_a_job_that_bedrock_does_not_tell_of_is_named_as_not_stopped() -> None:
    world = BatchWorld(titles=3)
    world.start()
    silent = SilentBatch(world.world.clock, world.batch)
    (job,) = running_jobs(world.world.tables, silent, stop=True)
    assert (job.status, job.is_stopped) == (UNKNOWN, False)


def test_a_job_whose_titles_ran_out_of_their_claim_is_made_anew_all_the_same() -> None:
    world = BatchWorld(titles=3)
    world.batch.refuses = UNAVAILABLE
    world.start()
    world.batch.refuses = None
    pull(world)
    world.wait(hours=timedelta(days=3).total_seconds() / 3600)
    world.look()
    assert world.batch.created == {}
    world.world.budget.take_brake_off()
    world.follow()
    assert set(world.settlements().values()) == {"Completed"}
