"""A callback may go to the public internet and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.requests.callback_urls import (
    MAX_CALLBACK_CHARACTERS,
    callback_problem,
    is_loopback_callback,
    is_public_address,
)


@pytest.mark.parametrize(
    "url",
    [
        "https://partner.example",
        "https://partner.example/",
        "https://hooks.partner.example:8443/manga?kind=batch&x=%20y",
        "https://partner.example:443/a/b.json",
        "https://xn--p8j9a0d9c9a.xn--q9jyb4c/callback",
        "https://partner.example./callback",
        "https://8.8.8.8/callback",
        "https://[2606:4700:4700::1111]/callback",
        "https://[::ffff:8.8.8.8]/callback",
        "https://a-b.c--d.example/?",
    ],
)
def test_public_https_urls_are_accepted(url: str) -> None:
    assert callback_problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///path",
        "http://partner.example/",
        "HTTPS://partner.example/",
        "ftp://partner.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//partner.example/",
        "https:partner.example",
        " https://partner.example/",
        "https://partner.example/\n",
        "https://partner.example/a b",
        "https://partner.example/\x00",
        "https://partner.example/#fragment",
        "https://partner.example\\@127.0.0.1/",
        "https://good@127.0.0.1",
        "https://user:password@partner.example/",  # pragma: allowlist secret
        "https://partner.example:80:443/",
        "https://partner.example:/",
        "https://パートナー.example/",
        "https://partner.example/漫画",
        "https://partner.example/%zz",
        "https://127%2e0.0.1/",
        "https://１２７.0.0.1/",
        "https://partner\u3002example/",
        "https://[::1%25eth0]/",
        "https://[not-an-address]/",
        "https://" + "a" * MAX_CALLBACK_CHARACTERS + ".example/",
    ],
)
def test_what_is_not_plainly_an_https_url_is_refused(url: str) -> None:
    assert callback_problem(url) is not None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "0",
        "0.0.0.0",  # noqa: S104 - nothing is bound here
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "127.0.0.1.",
        "1.2.3.4.5",
        "256.1.1.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:a9fe:a9fe]",
        "[::7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
        "[2001:db8::1]",
        "[3fff::1]",
        "localhost",
        "LOCALHOST",
        "app.localhost",
        "db.internal",
        "metadata.google.internal",
        "printer.local",
        "router.lan",
        "intranet",
        "-bad.example",
        "bad-.example",
        "a..example",
        ".example",
        "under_score.example",
        "x" * 64 + ".example",
    ],
)
def test_a_host_that_is_or_may_be_private_is_refused(host: str) -> None:
    assert callback_problem(f"https://{host}/callback") is not None
    assert callback_problem(f"https://{host}:8443/callback") is not None


@pytest.mark.parametrize("port", ["0", "22", "25", "80", "442", "444", "1023", "65536", "99999"])
def test_ports_of_other_services_are_refused(port: str) -> None:
    assert callback_problem(f"https://partner.example:{port}/") is not None


@pytest.mark.parametrize("port", ["443", "1024", "8443", "65535"])
def test_the_port_of_https_and_unprivileged_ones_are_accepted(port: str) -> None:
    assert callback_problem(f"https://partner.example:{port}/") is None


def test_the_complaint_does_not_repeat_the_url() -> None:
    complaint = callback_problem("https://secret:token@partner.example/secret")
    assert complaint is not None
    assert "secret" not in complaint


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/cb", "https://127.0.0.1/", "http://localhost:9/x", "http://[::1]:8080"]
)
def test_loopback_urls_are_known_as_such_and_refused_without_the_setting(url: str) -> None:
    assert is_loopback_callback(url)
    assert callback_problem(url) is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/",
        "http://localhost.example/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1@partner.example/",
        "http://127.0.0.1\n",
        "file://localhost/etc/passwd",
    ],
)
def test_what_only_looks_like_loopback_is_not(url: str) -> None:
    assert not is_loopback_callback(url)


@pytest.mark.parametrize("text", ["", "partner.example", "127.0.0.1/8", "８.8.8.8", "08.8.8.8", "8.8.8.8 "])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public_address(text)


@given(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fc00::/7") | st.ip_addresses(network="::/96"))
def test_no_private_address_is_public(address: object) -> None:
    assert not is_public_address(str(address))


@given(st.ip_addresses(v=4))
def test_an_address_counts_the_same_inside_ipv6(address: object) -> None:
    assert is_public_address(f"::ffff:{address}") == is_public_address(str(address))


@given(st.text() | st.text().map(lambda rest: f"https://{rest}"))
def test_any_text_gets_an_answer(text: str) -> None:
    callback_problem(text)
    is_loopback_callback(text)
