"""Something is away: ops are tried again, and a run that gives up gives back what it holds."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.partner.runs import INTERRUPTED_DELAY_SECONDS, PartnerRun
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.domain.requests.queues import NORMAL
from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.partner.stored.units import read_unit
from manga_enrichment.settings import Settings
from manga_enrichment_tests.partner_world import PartnerWorld

AWAY = [
    StoreUnavailableError("DynamoDB is away"),
    QueueUnavailableError("SQS is away"),
    ModelError(ErrorClass.CONNECTION, "Bedrock cannot be reached"),
]
DEFERRAL_SECONDS = 300


def ops() -> Iterator[dg.OpDefinition]:
    """Every op behind an asset or a check."""
    definitions = build_definitions(Settings(catalog_buckets=4))
    for found in [*(definitions.assets or ()), *(definitions.asset_checks or ())]:
        if isinstance(found, dg.AssetsDefinition | dg.AssetChecksDefinition) and found.is_executable:
            yield from found.node_def.iterate_op_defs()


def test_every_op_of_an_asset_and_of_a_check_is_tried_again() -> None:
    policies = {op.name: op.retry_policy for op in ops()}
    assert {
        "plan",
        "manga_catalog",
        "similar_candidates",
        "invoke_reading_level",
        "enriched_catalog",
        "check_reading_level",
    } <= set(policies)
    assert [name for name, policy in policies.items() if policy is not OP_RETRY_POLICY] == []


@pytest.mark.parametrize("error", [AWAY[0], AWAY[2]])
def test_what_is_away_is_said_in_its_own_sentence_and_tried_again(error: Exception) -> None:
    with pytest.raises(dg.Failure) as failed, configuration_errors_are_final():
        raise error
    assert (failed.value.description, failed.value.allow_retries) == (str(error), True)


def test_a_wrong_setting_is_not_tried_again() -> None:
    with pytest.raises(dg.Failure) as failed, configuration_errors_are_final():
        raise ConfigurationError("the table does not exist")
    assert (failed.value.description, failed.value.allow_retries) == ("the table does not exist", False)


def holding_run() -> tuple[PartnerWorld, PartnerRun]:
    """A run that holds one request, whose body it has read."""
    world = PartnerWorld()
    world.send()
    world.tick()
    [request] = read_unit(world.tables, world.launched.pop()).requests
    leases, bodies = world.leases(), StoredRequests(world.tables)
    leases.add(request, world.clock.now())
    bodies.read(request.body_key)
    return world, PartnerRun(leases, world.releasing(bodies), bodies, DEFERRAL_SECONDS)


def end_with(run: PartnerRun, error: Exception | None) -> None:
    """One op of the run, and the run's end."""
    context = dg.build_op_context()
    if error is None:
        with run.step(context):
            pass
    else:
        with pytest.raises((dg.Failure, type(error))), run.step(context):
            raise error
    run.release_at_the_end(context.log)


@pytest.mark.parametrize("error", AWAY)
def test_a_run_that_ends_because_something_is_away_gives_its_requests_back_for_later(error: Exception) -> None:
    world, run = holding_run()
    end_with(run, error)
    [message] = world.queue.messages(NORMAL.name)
    [row] = world.requests.rows.values()
    assert (row.state.value, row.reason, message.receive_count) == ("deferred", str(error), 0)
    world.clock.advance(DEFERRAL_SECONDS - 1)
    assert world.tick().received == 0
    world.clock.advance(1)
    assert world.tick().received == 1


def test_a_run_that_is_ended_gives_its_requests_back_for_soon() -> None:
    world, run = holding_run()
    end_with(run, None)
    world.clock.advance(INTERRUPTED_DELAY_SECONDS)
    assert world.tick().received == 1


def test_an_error_that_nobody_foresaw_keeps_the_message_on_its_way_to_the_dead_letters() -> None:
    world, run = holding_run()
    end_with(run, RuntimeError("a body that no run survives"))
    assert [message.receive_count for message in world.queue.messages(NORMAL.name)] == [1]
    assert [row.state.value for row in world.requests.rows.values()] == ["queued"]


def test_a_tick_says_why_nothing_is_received(tmp_path: Path) -> None:
    world = PartnerWorld()
    world.send()
    resources = {
        **world.base.resources(),
        "queues": world.queue,
        "requests": world.requests,
        "outbox": world.outbox,
    }
    definitions = build_definitions(Settings(catalog_buckets=1), resources=resources)
    world.requests.failures["get"] = 1
    with dg.build_sensor_context(
        instance=dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)),
        definitions=definitions,
        resources={name: resources[name] for name in ("queues", "requests", "tables", "ledger", "outbox", "clock")},
    ) as context:
        data = definitions.resolve_sensor_def("partner_requests").evaluate_tick(context)
    assert data.run_requests == []
    assert data.skip_message == "manga-fm-normal: nothing is received: the fake was told to fail in get"
