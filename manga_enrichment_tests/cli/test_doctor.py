"""`manga-enrichment doctor` over the local stack, as people type it."""

import json

import pytest

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment_tests.cli.conftest import Command

TOPIC = "arn:aws:sns:ap-northeast-1:000000000000:manga-fm-alerts"


def test_all_that_is_needed_is_there_and_what_is_off_is_named(
    command: Command, gateways: Gateways, fresh_stack_state: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANGA_ALERTS_TOPIC_ARN", TOPIC)
    monkeypatch.setenv("MANGA_RESULTS_TOPIC_ARN", "")
    result = command("doctor", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["broken"] == {}
    assert {"catalog", "results bucket", "ledger table", "outbox table", *(f"queue {each}" for each in QUEUES)} <= set(
        found["works"]
    )
    assert "MANGA_RESULTS_TOPIC_ARN" in found["off"]
    assert "MANGA_ALERTS_TOPIC_ARN" not in found["off"]
    words = command("doctor").stdout.splitlines()
    assert "works   ledger table" in words
    assert "off     MANGA_RESULTS_TOPIC_ARN is empty: no topic hears of requests that have ended" in words


def test_each_thing_that_is_broken_is_a_sentence_and_hides_none_behind_it(
    command: Command, gateways: Gateways, fresh_stack_state: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANGA_CATALOG_URI", "/nowhere/catalog.csv")
    monkeypatch.setenv("MANGA_OUTBOX_TABLE", "no-such-table")
    result = command("doctor")
    assert result.exit_code == 1
    broken = [line for line in result.stdout.splitlines() if line.startswith("broken")]
    assert [line.split(":")[0] for line in broken] == ["broken  catalog", "broken  outbox table"]
    assert "correct MANGA_CATALOG_URI" in broken[0]
    assert "does not exist" in broken[1]
    assert "MANGA_OUTBOX_TABLE" in broken[1]
