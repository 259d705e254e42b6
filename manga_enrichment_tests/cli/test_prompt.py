"""`manga-enrichment prompt`: what is sent about one title, and what came back, over the local stack."""

import pytest

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment_tests.builders import put_catalog, record
from manga_enrichment_tests.cli.conftest import Command


@pytest.fixture(autouse=True)
def one_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `put_catalog` makes them."""
    monkeypatch.setenv("MANGA_CATALOG_BUCKETS", "1")


def test_what_would_be_sent_is_shown_with_what_it_would_cost(
    command: Command, gateways: Gateways, fresh_stack_state: None
) -> None:
    title = record(1, title="Lantern\x1b[2Jfall")
    put_catalog(gateways.tables, [title])
    shown = command("prompt", title.manga_id, "--analysis", "reading_level", "--schema")
    assert shown.exit_code == 0, shown.output
    assert "Sent for reading_level, version" in shown.output
    assert str(title.synopsis)[:30] in shown.output
    assert '"enum"' in shown.output
    assert "not asked as it is today; would cost about 0.000" in shown.output
    assert "Nothing came back yet" in shown.output
    assert "\x1b[2J" not in shown.output


def test_what_is_not_there_is_a_sentence(command: Command, gateways: Gateways, fresh_stack_state: None) -> None:
    title = record(1)
    put_catalog(gateways.tables, [title])
    assert "The catalog has no title MNG-ZZZZZZZZ" in command("prompt", "MNG-ZZZZZZZZ").output
    assert "it is one of" in command("prompt", title.manga_id, "--analysis", "mood").output
