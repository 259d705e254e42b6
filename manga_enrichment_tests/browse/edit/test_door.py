"""Who came through the door: one kind of token is believed, any other refused with a reason and none of its text."""

import pytest

from manga_enrichment.browse.edit.door import HEADER, through
from manga_enrichment.browse.edit.identity import CannotTellError, Identify, NobodyError
from manga_enrichment.browse.edit.known_keys import KnownKeys
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment_tests.door import DOOR, EDITOR, FORGED, KEY_ID, public_pem, token
from manga_enrichment_tests.fake_clock import FakeClock


class Keys:
    """What the door publishes; remembers what it was asked for."""

    def __init__(self, keys: dict[str, str]) -> None:
        self.keys, self.asked = keys, list[str]()

    def fetch(self, key_id: str) -> str | None:
        self.asked.append(key_id)
        return self.keys.get(key_id)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys() -> Keys:
    return Keys({KEY_ID: public_pem()})


@pytest.fixture
def identify(keys: Keys, clock: FakeClock) -> Identify:
    return through(DOOR, KnownKeys(keys.fetch, clock), clock)


def test_a_genuine_token_names_the_person(identify: Identify) -> None:
    assert identify({HEADER: token()}) == EDITOR


@pytest.mark.parametrize("name", FORGED)
def test_every_other_token_is_refused_with_a_reason_and_none_of_its_text(identify: Identify, name: str) -> None:
    forged, reason = FORGED[name]
    with pytest.raises(NobodyError, match=reason) as caught:
        identify({HEADER: forged})
    assert not forged or forged[:40] not in str(caught.value)


def test_plain_headers_are_nothing(identify: Identify) -> None:
    with pytest.raises(NobodyError, match="no token"):
        identify({"x-amzn-oidc-identity": EDITOR, "x-forwarded-user": EDITOR, "authorization": f"Bearer {token()}"})


def test_a_token_runs_out(identify: Identify, clock: FakeClock) -> None:
    genuine = token()
    assert identify({HEADER: genuine}) == EDITOR
    clock.advance(120)
    with pytest.raises(NobodyError, match="run out"):
        identify({HEADER: genuine})


def test_an_address_that_somebody_verified_counts_as_text_and_as_truth(identify: Identify) -> None:
    for said in (True, "true", "True"):
        assert identify({HEADER: token({"email": EDITOR, "email_verified": said})}) == EDITOR


@pytest.mark.parametrize("name", ["wrong audience", "other issuer", "other load balancer", "expired", "no signature"])
def test_no_key_is_fetched_for_what_is_not_ours_by_its_own_words(identify: Identify, keys: Keys, name: str) -> None:
    with pytest.raises(NobodyError):
        identify({HEADER: FORGED[name][0]})
    assert keys.asked == []


@pytest.mark.parametrize("published", ["", "no key", public_pem().replace("MFkw", "MFkx")])
def test_a_key_that_is_none_verifies_nothing_and_is_not_kept(clock: FakeClock, published: str) -> None:
    keys = Keys({KEY_ID: published})
    identify = through(DOOR, KnownKeys(keys.fetch, clock), clock)
    with pytest.raises(CannotTellError, match="MANGA_DOOR_KEYS_URL"):
        identify({HEADER: token()})
    keys.keys[KEY_ID] = public_pem()
    assert identify({HEADER: token()}) == EDITOR


def test_a_door_that_does_not_answer_is_another_thing_than_nobody(clock: FakeClock) -> None:
    def away(_key_id: str) -> str | None:
        raise StoreUnavailableError("away")

    with pytest.raises(CannotTellError, match="away"):
        through(DOOR, KnownKeys(away, clock), clock)({HEADER: token()})
