"""The sensor `outbox` sends what is due and says so; its secret shows nowhere."""

from datetime import UTC, datetime

import dagster as dg
import pytest
from pydantic import SecretStr

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.outbox import DynamoDBOutbox
from manga_enrichment.defs.partner.outbox_sensor import build_outbox_sensor
from manga_enrichment.defs.partner.settings import notification_policy
from manga_enrichment.domain.callbacks.deliveries import DeliveryState
from manga_enrichment.domain.callbacks.signatures import SigningKey
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.notify import CallbackAnswer
from manga_enrichment.local.stack.callback_receiver import CallbackReceiver
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.outbox.announce import OutboxWriter
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.settings import Settings, signing_key
from manga_enrichment_tests.outbox_fakes import RESULTS_TOPIC, URL, OutboxWorld, ended

SECRET = "a secret that must not show anywhere at all"


def tick(sensor: dg.SensorDefinition) -> str:
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance=instance) as context:
        found = sensor(context)
    assert isinstance(found, dg.SkipReason)
    return str(found.skip_message)


def test_it_runs_by_default_and_asks_for_no_job() -> None:
    sensor = build_outbox_sensor(Settings())
    assert sensor.name == "outbox"
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert not sensor.has_jobs
    dg.Definitions.validate_loadable(dg.Definitions(sensors=[sensor]))


def test_nothing_connects_before_the_first_tick() -> None:
    opened: list[Settings] = []
    world = OutboxWorld()

    def open_relay(settings: Settings) -> object:
        opened.append(settings)
        return world.relay()

    sensor = build_outbox_sensor(Settings(), open_relay)  # type: ignore[arg-type]
    assert opened == []
    assert tick(sensor) == "nothing is due"
    assert tick(sensor) == "nothing is due"
    assert len(opened) == 1


def test_a_tick_says_what_it_did() -> None:
    world = OutboxWorld()
    world.settle()
    world.outbox_writer.announce(ended(), callback_url=URL)
    assert tick(build_outbox_sensor(Settings(), lambda _settings: world.relay())) == "1 delivered"


def test_a_tick_names_what_failed_for_good() -> None:
    world = OutboxWorld()
    world.settle()
    world.outbox_writer.announce(ended(), callback_url=URL)
    world.receiver.answers[URL] = [CallbackAnswer(410, "the receiver answered with status 410")]
    said = tick(build_outbox_sensor(Settings(), lambda _settings: world.relay()))
    assert said.startswith("1 failed for good. request.completed of request ")
    assert "very-private" not in said


def test_a_tick_without_a_table_fails_visibly() -> None:
    class Gone:
        def due(self, now: datetime, limit: int) -> list[object]:
            raise StoreUnavailableError("DynamoDB does not answer")

    sensor = build_outbox_sensor(Settings(), lambda _settings: OutboxWorld().relay(outbox=Gone()))
    with pytest.raises(StoreUnavailableError):
        tick(sensor)


def test_settings_become_policy_and_key() -> None:
    settings = Settings(
        callback_secret=SecretStr(SECRET),
        callback_key_id="2026-01",
        callback_allow_loopback=True,
        sns_topics_allowed=(RESULTS_TOPIC,),
        results_topic_arn=RESULTS_TOPIC,
    )
    assert signing_key(settings) == SigningKey("2026-01", SECRET)
    assert signing_key(Settings()) is None
    policy = notification_policy(settings)
    assert policy.allowed_topics == {RESULTS_TOPIC}
    assert (policy.results_topic, policy.alerts_topic, policy.allow_loopback) == (RESULTS_TOPIC, "", True)


def test_over_the_local_stack_a_callback_and_a_notification_arrive(
    local_stack: LocalStack, aws_environment: dict[str, str], fresh_stack_state: None
) -> None:
    settings = Settings(
        callback_secret=SecretStr(SECRET),
        callback_allow_loopback=True,
        results_topic_arn=local_stack.outputs["ResultsTopicArn"],
        outbox_table=local_stack.outputs["OutboxTableName"],
        status_table=local_stack.outputs["RequestStatusTableName"],
    )
    outbox = DynamoDBOutbox(AwsClients().dynamodb, table=settings.outbox_table)
    outbox_writer = OutboxWriter(outbox, SystemClock(), notification_policy(settings))
    with CallbackReceiver(SigningKey(settings.callback_key_id, SECRET)) as receiver:
        deliveries = outbox_writer.announce(ended(occurred_at=datetime.now(UTC)), callback_url=receiver.url)
        common = settings.results_topic_arn
        assert {each.target for each in deliveries} == {receiver.url, common, f"{common}-{ended().partner_id}"}
        assert tick(build_outbox_sensor(settings)) == "3 delivered"
        (received,) = receiver.received
    assert received.problem == ""
    assert received.event_id == ended().event_id
    kept = [outbox.get(each.delivery_id) for each in deliveries]
    assert [each.state for each in kept if each is not None] == [DeliveryState.DELIVERED] * 3
