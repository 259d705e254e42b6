"""Which requests a subject takes, and what a receipt promises."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from manga_enrichment.domain.operations.forgetting import Subject, Trace, chosen_of, digest, user_digest
from manga_enrichment.domain.operations.forgetting_receipt import AGES_OUT, Receipt
from manga_enrichment.domain.operations.retention import Means, places
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, REQUEST_QUEUES

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ANNE = user_digest("acme", "anne")
MINE = Trace("r1", "acme", "manga_query", NOW - timedelta(days=1), user=ANNE, session="s1", group="s1")


@pytest.mark.parametrize(
    ("trace", "taken"),
    [
        (MINE, True),
        (replace(MINE, partner_id="zeta"), False),
        (replace(MINE, user="", session="", group=ANNE), True),  # its body is gone, its row names the user's group
        (replace(MINE, user="", session=""), False),
        (replace(MINE, submitted_at=NOW + timedelta(seconds=1)), False),
        (replace(MINE, user="", session="", group=ANNE, schema="batch_analysis"), False),
    ],
)
def test_a_user_is_known_by_id_or_by_the_group_of_messages(trace: Trace, taken: bool) -> None:
    assert Subject(NOW, "acme", ANNE).takes(trace) is taken


def test_a_session_of_a_user_takes_what_names_nobody_and_leaves_what_names_another() -> None:
    chat = replace(MINE, request_id="r2", schema="streaming_chat", user="")
    guest = replace(MINE, request_id="r3", user=user_digest("acme", "bob"))
    elsewhere = replace(chat, request_id="r4", partner_id="zeta")
    chosen = chosen_of(Subject(NOW, "acme", ANNE), [MINE, chat, guest, elsewhere], ())
    assert [each.request_id for each in chosen] == ["r1", "r2"]


def test_a_listed_request_is_taken_whatever_is_still_known_of_it() -> None:
    nameless = Trace("r9")
    subject = Subject(NOW, "acme", ANNE)
    assert chosen_of(subject, [nameless], ()) == []
    assert chosen_of(subject, [nameless], {digest("r9")}) == [nameless]


def test_a_receipt_names_everything_that_ends_by_itself() -> None:
    ending = {each.where: each.days for each in AGES_OUT}
    for means in (Means.BACKUP, Means.LOG_GROUP, Means.JOB):
        for place in places(means):
            assert ending[place.where] == place.days
    assert all(ending[queue.name] == queue.retention_days for queue in REQUEST_QUEUES)
    assert DEAD_LETTERS not in ending, "those are deleted"
    assert ending["athena-results/"] == 30


def test_a_receipt_in_words_has_its_numbers_and_what_stays() -> None:
    receipt = Receipt(
        {}, dry_run=True, requests=["r1"], still_open=["r1"], unseen_dead_letters=3, listed_as="forgotten/x"
    )
    text = receipt.text()
    for words in ("1 requests; would be deleted:", "3 dead letters were not seen", "1 requests have not ended"):
        assert words in text
    assert "manga-fm-budget: partner id in counters" in text
    assert text.endswith("listed as forgotten/x")
