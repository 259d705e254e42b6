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


def test_the_gateways_that_are_no_resources_are_those_that_sign_for_partners_and_that_delete_for_good() -> None:
    names = {name for name in vars(Gateways) if not name.startswith("_")} | {"clock"}
    assert names - set(RESOURCE_KEYS) == {"callbacks", "erasure"}
