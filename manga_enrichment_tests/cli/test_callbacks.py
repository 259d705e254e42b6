"""`manga-enrichment callbacks ...` against the local stack."""

import json
from collections.abc import Iterator

import pytest

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.domain.callbacks.deliveries import Channel, new_delivery, refused, told
from manga_enrichment.domain.callbacks.signatures import SigningKey, partner_signing_key
from manga_enrichment.local.stack.cleaning import empty_tables
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.cli.conftest import Command
from manga_enrichment_tests.outbox_fakes import PARTNER, REQUEST_ID, URL, ended

SECRET = "a master secret of more than forty characters"
KEY = partner_signing_key(SigningKey("7", SECRET), "acme")


@pytest.fixture
def failed_callback(gateways: Gateways, local_stack: LocalStack) -> Iterator[str]:
    """One callback that was given up; its delivery id."""
    table = local_stack.outputs["OutboxTableName"]
    empty_tables(local_stack.client("dynamodb"), [table])
    now = gateways.clock.now()
    fresh = new_delivery(ended(occurred_at=now), Channel.CALLBACK, URL, now)
    gave_up = refused(fresh, now, "the receiver answered with status [410]")
    gateways.outbox.add(fresh)
    assert gateways.outbox.replace(fresh, gave_up)
    assert gateways.outbox.replace(gave_up, told(gave_up, now))
    yield fresh.delivery_id
    empty_tables(local_stack.client("dynamodb"), [table])


def test_the_secret_is_the_one_that_callbacks_are_signed_with(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANGA_CALLBACK_SECRET", SECRET)
    monkeypatch.setenv("MANGA_CALLBACK_KEY_ID", "7")
    assert command("callbacks", "secret", "acme").stdout == f"key id: 7\nsecret: {KEY.secret}\n"
    printed = json.loads(command("callbacks", "secret", "acme", "--json").stdout)
    assert printed == {"partner_id": "acme", "key_id": "7", "secret": KEY.secret}


def test_without_a_secret_of_ours_there_is_none_for_partners(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MANGA_CALLBACK_SECRET", raising=False)
    result = command("callbacks", "secret", "acme")
    assert result.exit_code == 1
    assert "MANGA_CALLBACK_SECRET is not set" in result.output


def test_a_misspelt_partner_gets_no_secret(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_CALLBACK_SECRET", SECRET)
    result = command("callbacks", "secret", "acme ")
    assert result.exit_code == 2
    assert "is no partner id" in result.output


def test_failed_deliveries_are_listed_without_what_their_urls_hold(command: Command, failed_callback: str) -> None:
    [shown] = json.loads(command("callbacks", "failed", "--json").stdout)
    assert shown["delivery_id"] == failed_callback
    assert (shown["request_id"], shown["partner_id"], shown["receiver"]) == (REQUEST_ID, PARTNER, "hooks.acme.example")
    assert shown["problem"] == "the receiver answered with status [410]"
    table = command("callbacks", "failed", "--partner", PARTNER).stdout
    assert "[410]" in table
    for output in (json.dumps(shown), table):
        assert "very-private" not in output
    assert command("callbacks", "failed", "--partner", "other").stdout == "No delivery has failed.\n"


def test_a_retry_makes_them_due_and_a_dry_run_does_not(
    command: Command, gateways: Gateways, failed_callback: str
) -> None:
    def due() -> list[str]:
        return [each.delivery_id for each in gateways.outbox.due(gateways.clock.now(), 10)]

    assert command("callbacks", "retry", "--all", "--dry-run").stdout.startswith("1 would be sent again.")
    assert due() == []
    assert command("callbacks", "retry", "--partner", "other").stdout == "0 are sent again.\n"
    assert due() == []
    result = command("callbacks", "retry", "--partner", PARTNER, "--request-id", REQUEST_ID)
    assert result.stdout == (f"1 are sent again.\n  request.completed of {REQUEST_ID} to hooks.acme.example\n")
    assert due() == [failed_callback]


@pytest.mark.parametrize("words", [[], ["--all", "--partner", "acme"]])
def test_a_retry_wants_to_be_told_which(command: Command, aws_environment: dict[str, str], words: list[str]) -> None:
    result = command("callbacks", "retry", *words)
    assert result.exit_code == 2
    assert "Say which: --partner or --request-id, or --all." in result.output
