"""A door is its ARN, its issuer and its client, all or none; its keys are where AWS has those of its region."""

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.door import Door, keys_url_of
from manga_enrichment.settings import door_of, load_settings

ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/door/50dc6c495c0c9188"
DOOR = {"MANGA_DOOR_ARN": ARN, "MANGA_DOOR_ISSUER": "https://login.example.com", "MANGA_DOOR_CLIENT_ID": "titles"}


def _set(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_there_is_none_unless_it_is_named() -> None:
    assert door_of(load_settings()) is None


def test_it_has_the_keys_of_its_region_and_names_people_by_their_address(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, **DOOR)
    keys = "https://public-keys.auth.elb.eu-west-1.amazonaws.com"
    assert door_of(load_settings()) == Door(ARN, "https://login.example.com", "titles", keys, "email")


def test_keys_and_claim_may_be_others(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, **DOOR, MANGA_DOOR_KEYS_URL="https://keys.example.com/all", MANGA_DOOR_CLAIM="sub")
    door = door_of(load_settings())
    assert door is not None
    assert (door.keys_url, door.claim) == ("https://keys.example.com/all", "sub")


@pytest.mark.parametrize("name", DOOR)
def test_half_a_door_is_refused_with_what_is_missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _set(monkeypatch, **{**DOOR, name: ""})
    with pytest.raises(ConfigurationError, match=f"^{name} is missing"):
        door_of(load_settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MANGA_DOOR_ARN", "door"),
        ("MANGA_DOOR_ARN", ARN.replace("/app/", "/net/")),
        ("MANGA_DOOR_KEYS_URL", "http://keys.example.com"),
        ("MANGA_DOOR_KEYS_URL", "http://127.0.0.1.example.com"),
        ("MANGA_DOOR_KEYS_URL", "https://keys.example.com/"),
        ("MANGA_DOOR_CLAIM", ""),
    ],
)
def test_what_is_no_door_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    _set(monkeypatch, **{**DOOR, name: value})
    with pytest.raises(ConfigurationError, match=name):
        load_settings()


def test_what_is_no_load_balancer_has_no_keys() -> None:
    assert keys_url_of("arn:aws:s3:::bucket") == ""
