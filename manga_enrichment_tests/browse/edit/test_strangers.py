"""Nobody but a known person at a page of this site changes or sees anything."""

import pytest

from manga_enrichment.browse.edit.door import HEADER
from manga_enrichment.browse.edit.form import MAX_BYTES
from manga_enrichment.browse.edit.genuine import VALID_SECONDS
from manga_enrichment_tests.browse_desk import TITLE, Desk, text_of
from manga_enrichment_tests.door import EDITOR, FORGED, token

PAGES = ("/", TITLE, "/sql", "/corrections")


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_sees_nothing_and_changes_nothing(desk: Desk, name: str) -> None:
    forged = FORGED[name][0]
    for page in PAGES:
        answer = desk.site.get(page, headers={HEADER: forged} if forged else {})
        assert answer.status == 401
        assert "Who you are is not known" in answer.text
        assert not forged or forged[:30] not in answer.text
    sign = desk.site.genuine.sign(EDITOR)
    body = f"sign={sign}&analysis=reading_level&field=reading_level&value=adult&because=x".encode()
    assert desk.site.post(f"{TITLE}/correct", body, {HEADER: forged}).status == 401
    assert desk.labels() == []


def test_a_plain_header_is_nobody(desk: Desk) -> None:
    plain = {"x-amzn-oidc-identity": EDITOR, "x-forwarded-email": EDITOR, "authorization": f"Bearer {token()}"}
    assert desk.site.get(TITLE, headers=plain).status == 401


def test_a_load_balancer_may_ask_for_health_by_address(desk: Desk) -> None:
    assert desk.site.get("/health", host="10.0.3.4:3001").text == "ready"
    assert desk.site.get("/", host="10.0.3.4:3001", headers={HEADER: desk.token()}).status == 400


def test_every_refusal_has_the_headers_of_all_pages(desk: Desk) -> None:
    for answer in (desk.site.get(TITLE), desk.send("correct", {}, origin="https://evil.example")):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"origin": "https://evil.example"}, "sent from another site"),
        ({"origin": "null"}, "does not say from which page"),
        ({"origin": ""}, "does not say from which page"),
        ({"sec_fetch_site": "cross-site"}, "sent from another site"),
        ({"sec_fetch_site": "same-site"}, "sent from another site"),
    ],
)
def test_a_form_of_another_site_changes_nothing(desk: Desk, headers: dict[str, str], said: str) -> None:
    answer = desk.send("correct", {"value": "adult"}, **headers)
    assert answer.status == 403
    assert "Nothing was changed: the " in text_of(answer.text)
    assert said in text_of(answer.text)
    assert desk.labels() == []


def test_a_form_with_no_sign_or_that_of_somebody_else_changes_nothing_and_keeps_what_was_typed(desk: Desk) -> None:
    theirs = desk.site.genuine.sign("mallory@example.com")
    for sign in ("", theirs, "0.0", f"{theirs}x"):
        for change in ("correct", "take-back"):
            answer = desk.send(change, {"sign": sign, "value": "adult"})
            assert answer.status == 403
            assert desk.labels() == []
        kept = desk.send("correct", {"sign": sign, "value": "mature", "because": "Typed with care."})
        assert "Nothing was changed: the form was open too long" in text_of(kept.text)
        assert 'value="Typed with care."' in kept.text
        assert '<option value="mature" selected>' in kept.text


def test_a_form_that_was_open_too_long_is_sent_again_from_the_page_that_says_so(desk: Desk) -> None:
    old = desk.site.genuine.sign(EDITOR)
    desk.clock.advance(VALID_SECONDS)
    refused = desk.send("correct", {"sign": old, "value": "mature"})
    assert refused.status == 403
    fresh = refused.text.partition('name="sign" value="')[2].partition('"')[0]
    assert desk.send("correct", {"sign": fresh, "value": "mature"}).status == 303


def test_nothing_is_changed_by_opening_an_address(desk: Desk) -> None:
    for change in ("correct", "take-back"):
        assert desk.get(f"{TITLE}/{change}?value=adult").status == 405
    assert desk.labels() == []


def test_a_form_may_be_so_long_and_no_longer(desk: Desk) -> None:
    assert desk.send("correct", {"value": "x" * MAX_BYTES}).status == 413
    assert desk.send("correct", {f"f{number}": "" for number in range(200)}).status == 400
    assert desk.send("correct", {"value": "adult"}, content_type="application/json").status == 415
    assert desk.send("correct", {"value": "adult"}, content_type="multipart/form-data; boundary=x").status == 415
    assert desk.site.post(f"{TITLE}/correct", b"value=%ff%fe", {HEADER: desk.token()}).status == 400
    assert desk.site.post(f"{TITLE}/correct", b"value=\xff", {HEADER: desk.token()}).status == 400
    assert desk.labels() == []
