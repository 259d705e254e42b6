"""Resources hand out what production makes, under the names that ops ask for."""

import dagster as dg
import pytest

from manga_enrichment.aws.gateways import Gateways, open_gateways
from manga_enrichment.defs.shared.resources import RESOURCE_KEYS, build_resources
from manga_enrichment.settings import Settings

SECRET = "a-secret-that-signs-callbacks-of-partners"
SETTINGS = Settings(callback_secret=SECRET, bucket="some-bucket")


@pytest.mark.parametrize("key", RESOURCE_KEYS)
def test_every_resource_is_the_gateway_of_its_name(key: str) -> None:
    with dg.build_resources(build_resources(SETTINGS)) as made:
        assert type(getattr(made, key)) is type(getattr(open_gateways(SETTINGS), key))


def test_a_resource_gets_the_settings_of_the_code_location() -> None:
    with dg.build_resources({"tables": build_resources(SETTINGS)["tables"]}) as made:
        assert made.tables.uri("key") == "s3://some-bucket/key"


def test_the_gateways_that_are_no_resources_are_those_that_speak_for_partners_and_that_delete_for_good() -> None:
    names = {name for name in vars(Gateways) if not name.startswith("_")} | {"clock"}
    assert names - set(RESOURCE_KEYS) == {"callbacks", "mailer", "erasure"}


def _read_timeout_seconds(tables: object) -> float:
    return float(tables._client.meta.config.read_timeout)  # type: ignore[attr-defined]  # noqa: SLF001


def test_a_tick_has_brief_clients_and_a_run_patient_ones() -> None:
    seen: list[float] = []

    @dg.sensor(target="looks")
    def ticks(tables: dg.ResourceParam[object]) -> dg.SkipReason:
        seen.append(_read_timeout_seconds(tables))
        return dg.SkipReason()

    @dg.op
    def look(tables: dg.ResourceParam[object]) -> None:
        seen.append(_read_timeout_seconds(tables))

    @dg.job
    def looks() -> None:
        look()

    resources = {"tables": build_resources(SETTINGS)["tables"]}
    definitions = dg.Definitions(jobs=[looks], sensors=[ticks], resources=resources)
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance, resources=resources) as context:
        ticks.evaluate_tick(context)
    assert definitions.resolve_job_def("looks").execute_in_process().success
    assert seen == [5, 60]


def test_all_ticks_of_a_process_share_their_clients() -> None:
    """Dagster makes a tick's resources anew; the clients behind them would be garbage in cycles after each."""
    seen: list[object] = []

    @dg.sensor(target="*")
    def ticks(tables: dg.ResourceParam[object]) -> dg.SkipReason:
        seen.append(tables._client)  # type: ignore[attr-defined]  # noqa: SLF001
        return dg.SkipReason()

    resources = {"tables": build_resources(SETTINGS)["tables"]}
    for _ in range(2):
        with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance, resources=resources) as tick:
            ticks.evaluate_tick(tick)
    assert seen[0] is seen[1]
