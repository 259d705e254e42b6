"""A request goes to the queue of its priority or session, in a group of its partner."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.requests.queues import (
    DEAD_LETTER_QUEUES,
    HIGH_PRIORITY,
    LOW_PRIORITY,
    NORMAL,
    ORDERED,
    QUEUES,
    REQUEST_QUEUES,
    SESSION,
    Queue,
    Route,
    route,
    session_of,
)
from manga_enrichment.domain.requests.validation import validate
from manga_enrichment_tests.request_bodies import REQUEST_ID, SESSION_ID, valid_body

SQS_ID = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,./:;<=>?@\[\\\]^_`{|}~-]{1,128}")


def routed(schema: str, body: dict[str, Any], partner: str = "acme") -> Route:
    document = validate(schema, body).normalized_body
    assert document is not None
    return route(schema, document, partner_id=partner, request_id=REQUEST_ID)


def test_the_table_is_that_of_the_requirements() -> None:
    rows = [
        (
            queue.name,
            queue.is_fifo,
            queue.visibility_seconds,
            queue.retention_days,
            queue.max_receives,
            queue.dead_letters,
        )
        for queue in QUEUES.values()
    ]
    assert rows == [
        ("manga-fm-high-priority", False, 60, 4, 3, "manga-fm-dlq"),
        ("manga-fm-normal", False, 120, 7, 3, "manga-fm-dlq"),
        ("manga-fm-low-priority", False, 300, 14, 3, "manga-fm-dlq"),
        ("manga-fm-ordered.fifo", True, 60, 7, 3, "manga-fm-dlq.fifo"),
        ("manga-fm-session.fifo", True, 60, 4, 3, "manga-fm-dlq.fifo"),
        ("manga-fm-dlq", False, 30, 14, None, None),
        ("manga-fm-dlq.fifo", True, 30, 14, None, None),
    ]


def test_a_dead_letter_queue_keeps_messages_at_least_as_long_and_is_of_the_same_kind() -> None:
    for queue in REQUEST_QUEUES:
        assert queue.dead_letters is not None
        target = QUEUES[queue.dead_letters]
        assert target in DEAD_LETTER_QUEUES
        assert target.is_fifo == queue.is_fifo
        assert target.retention_days >= queue.retention_days


@pytest.mark.parametrize(("priority", "queue"), [("high", HIGH_PRIORITY), ("normal", NORMAL), ("low", LOW_PRIORITY)])
def test_a_batch_goes_by_priority_with_the_partner_as_group(priority: str, queue: Queue) -> None:
    body = {**valid_body("batch_analysis"), "priority": priority}
    assert routed("batch_analysis", body) == Route(queue, "acme", None)


def test_a_batch_without_priority_is_normal() -> None:
    body = valid_body("batch_analysis")
    del body["priority"]
    assert routed("batch_analysis", body).queue is NORMAL


@pytest.mark.parametrize(
    ("schema", "body", "queue", "group"),
    [
        ("streaming_chat", {"session_id": SESSION_ID}, SESSION, f"acme:{SESSION_ID}"),
        ("streaming_chat", {"session_id": SESSION_ID.upper()}, SESSION, f"acme:{SESSION_ID}"),
        ("streaming_chat", {}, SESSION, f"acme:{REQUEST_ID}"),
        ("manga_query", {"conversation_id": SESSION_ID}, SESSION, f"acme:{SESSION_ID}"),
        ("manga_query", {"context": {"session_id": "s-1", "user_id": "u-1"}}, SESSION, "acme:s-1"),
        (
            "manga_query",
            {"conversation_id": SESSION_ID, "context": {"session_id": "s-1"}},
            SESSION,
            f"acme:{SESSION_ID}",
        ),
        ("manga_query", {"context": {"user_id": "u-1"}}, ORDERED, "acme:u-1"),
        ("manga_query", {"context": {}}, SESSION, f"acme:{REQUEST_ID}"),
        ("manga_query", {}, SESSION, f"acme:{REQUEST_ID}"),
    ],
)
def test_a_conversation_is_ordered_by_session_else_by_user_else_alone(
    schema: str, body: dict[str, Any], queue: Queue, group: str
) -> None:
    text = {"query": "a"} if schema == "manga_query" else {"messages": [{"role": "user", "content": "a"}]}
    assert routed(schema, {**text, **body}) == Route(queue, group, REQUEST_ID)


def test_equal_sessions_of_two_partners_are_two_groups() -> None:
    body = valid_body("streaming_chat")
    assert routed("streaming_chat", body, "acme") != routed("streaming_chat", body, "globex")


def test_a_session_is_what_requests_share_and_a_single_request_has_none() -> None:
    assert session_of("manga_query", {"query": "a"}) is None
    assert session_of("manga_query", {"query": "a", "context": {"user_id": "u-1"}}) is None
    assert session_of("streaming_chat", {"messages": [], "session_id": SESSION_ID}) == SESSION_ID


@given(
    st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z"),
    st.from_regex(r"\A[A-Za-z0-9._:@|+=/-]{1,64}\Z"),
    st.sampled_from(["user_id", "session_id"]),
)
def test_every_valid_request_has_ids_that_sqs_takes(partner: str, identity: str, field: str) -> None:
    found = routed("manga_query", {"query": "a", "context": {field: identity}}, partner)
    assert found.deduplication_id is not None
    assert SQS_ID.fullmatch(found.deduplication_id)
    assert SQS_ID.fullmatch(found.message_group_id)
    assert len(found.message_group_id) <= 128  # limit of SQS


def test_the_page_says_what_each_queue_is_for() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text("utf-8")
    said = dict(re.findall(r"^\| `(manga-fm-[a-z.-]+)` \| (.+) \|$", page, re.MULTILINE))
    assert said == {name: queue.use for name, queue in QUEUES.items()}
