"""Without a door there is one user, by name, on this machine alone."""

import pytest

from manga_enrichment.browse.edit.identity import is_loopback, local_user
from manga_enrichment.domain.errors import ConfigurationError


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_on_loopback_everybody_is_the_named_user(host: str) -> None:
    assert local_user("Naoko", host)({}) == "Naoko"
    assert local_user("Naoko", host)({"x-amzn-oidc-identity": "Mallory"}) == "Naoko"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", ""])  # noqa: S104
def test_where_others_reach_the_port_it_needs_a_door(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigurationError, match="MANGA_DOOR_ARN"):
        local_user("Naoko", host)


def test_a_proxy_before_it_needs_a_door() -> None:
    with pytest.raises(ConfigurationError, match="MANGA_DOOR_ARN"):
        local_user("Naoko", "127.0.0.1", ("titles.example.com",))


@pytest.mark.parametrize("name", ["", " Naoko", "a\nb", "x" * 101])
def test_a_correction_needs_a_name_beside_it(name: str) -> None:
    with pytest.raises(ConfigurationError, match="--as"):
        local_user(name, "127.0.0.1")
