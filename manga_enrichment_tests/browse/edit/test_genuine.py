"""Forms count when they come from a page of ours, made for the person who sends them, a while ago at most."""

import pytest

from manga_enrichment.browse.edit.genuine import VALID_SECONDS, Genuine, stranger
from manga_enrichment_tests.fake_clock import FakeClock

SECRET = b"s" * 32
HOST = {"host": "titles.example.com"}


def test_a_sign_is_one_persons_for_a_while() -> None:
    clock = FakeClock()
    genuine = Genuine(SECRET, clock)
    sign = genuine.sign("naoko")
    assert genuine.is_theirs(sign, "naoko")
    assert not genuine.is_theirs(sign, "mallory")
    clock.advance(VALID_SECONDS - 1)
    assert genuine.is_theirs(sign, "naoko")
    clock.advance(1)
    assert not genuine.is_theirs(sign, "naoko")


def test_a_sign_cannot_be_made_without_the_secret_nor_changed() -> None:
    clock = FakeClock()
    genuine, sign = Genuine(SECRET, clock), Genuine(SECRET, clock).sign("naoko")
    end, _, digest = sign.partition(".")
    forged = [Genuine(b"t" * 32, clock).sign("naoko"), f"{int(end) + 1}.{digest}", f"{end}.{'0' * 64}", "", ".", end]
    assert [each for each in [*forged, f"{sign} ", f"{end}.{digest.upper()}"] if genuine.is_theirs(each, "naoko")] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://titles.example.com"},
        {"origin": "http://titles.example.com"},  # before the door it is https
        {"origin": "https://titles.example.com", "sec-fetch-site": "same-origin"},
    ],
)
def test_a_form_of_a_page_of_ours_is_taken(headers: dict[str, str]) -> None:
    assert stranger({**HOST, **headers}) == ""


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "does not say"),
        ({"origin": "null"}, "does not say"),
        ({"origin": "https://evil.example"}, "another site"),
        ({"origin": "https://titles.example.com.evil.example"}, "another site"),
        ({"origin": "https://titles.example.com:8443"}, "another site"),
        ({"origin": "https://titles.example.com", "sec-fetch-site": "cross-site"}, "cross-site"),
        ({"origin": "https://titles.example.com", "sec-fetch-site": "same-site"}, "same-site"),
        ({"origin": "https://titles.example.com", "sec-fetch-site": "none"}, "another site"),
    ],
)
def test_any_other_is_a_strangers(headers: dict[str, str], said: str) -> None:
    assert said in stranger({**HOST, **headers})
