"""Token buckets and the prompt cache, on a clock that the test turns."""

from collections.abc import Callable
from typing import Any

import pytest

from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.local.model_server.faults import QuotaSettings
from manga_enrichment.local.model_server.prompt_cache import TTL_SECONDS, PromptCache
from manga_enrichment.local.model_server.protocol import claude_messages
from manga_enrichment.local.model_server.protocol.model_request import ModelRequest
from manga_enrichment.local.model_server.protocol.validation import ServiceError
from manga_enrichment.local.model_server.quota import Quota

Parse = Callable[..., ModelRequest]


class TurnedClock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


def quota(clock: TurnedClock, **settings: float) -> Quota:
    return Quota(QuotaSettings(**settings), clock)


def test_requests_per_minute_let_a_burst_in_and_then_refill_continuously(
    clock: TurnedClock, forcing_model: ModelSpec
) -> None:
    limits = quota(clock, requests_per_minute=120.0, burst_seconds=1.0)
    limits.reserve(forcing_model, 10)
    limits.reserve(forcing_model, 10)
    with pytest.raises(ServiceError, match="Too many requests") as caught:
        limits.reserve(forcing_model, 10)
    assert (caught.value.name, caught.value.retry_after_seconds) == ("ThrottlingException", 1)
    clock.seconds += 0.5
    limits.reserve(forcing_model, 10)


def test_tokens_are_reserved_up_front_and_settled_by_use(clock: TurnedClock, forcing_model: ModelSpec) -> None:
    limits = quota(clock, tokens_per_minute=6_000.0, burst_seconds=10.0)
    reservation = limits.reserve(forcing_model, 1_000)
    with pytest.raises(ServiceError, match="Too many tokens") as caught:
        limits.reserve(forcing_model, 500)
    assert caught.value.retry_after_seconds == 5
    reservation.settle(Usage(input_tokens=100, output_tokens=80, cache_read_tokens=900), forcing_model.output_burndown)
    limits.reserve(forcing_model, 500)
    with pytest.raises(ServiceError):
        limits.reserve(forcing_model, 1)


def test_a_request_larger_than_the_bucket_passes_when_it_is_full_and_leaves_a_debt(
    clock: TurnedClock, forcing_model: ModelSpec
) -> None:
    limits = quota(clock, tokens_per_minute=6_000.0, burst_seconds=1.0)
    limits.reserve(forcing_model, 1_100)
    with pytest.raises(ServiceError) as caught:
        limits.reserve(forcing_model, 1_100)
    assert caught.value.retry_after_seconds == 11
    clock.seconds += 11
    limits.reserve(forcing_model, 1_100)


def test_every_model_id_has_a_quota_of_its_own(clock: TurnedClock, forcing_model: ModelSpec) -> None:
    limits = quota(clock, requests_per_minute=60.0)
    limits.reserve(forcing_model, 1)
    limits.reserve(load_models().resolve("sonnet"), 1)


def cached_body(system: str, *points: int) -> dict[str, Any]:
    """A conversation with the system text and cache points after it (0) and after the question (1)."""
    point = [{"cachePoint": {"type": "default"}}]
    return {
        "system": [{"text": system}, *(point if 0 in points else [])],
        "messages": [{"role": "user", "content": [{"text": "Who?"}, *(point if 1 in points else [])]}],
    }


LONG = "All about manga. " * 1_200


def test_a_long_prefix_is_written_once_and_read_for_five_minutes(
    parsed: Parse, clock: TurnedClock, forcing_model: ModelSpec
) -> None:
    cache, request = PromptCache(clock), parsed(cached_body(LONG, 0))
    written = cache.account(forcing_model, request, 7)
    read = cache.account(forcing_model, request, 7)
    assert written.cache_write_tokens == read.cache_read_tokens > 4_000
    assert written.cache_read_tokens == read.cache_write_tokens == 0
    assert written.input_tokens + written.cache_write_tokens == request.input_tokens
    assert written.output_tokens == 7
    clock.seconds += TTL_SECONDS - 1
    assert cache.account(forcing_model, request, 7) == read
    clock.seconds += TTL_SECONDS
    assert cache.account(forcing_model, request, 7) == written


def test_a_longer_prefix_reads_the_shorter_one_and_writes_the_rest(
    parsed: Parse, clock: TurnedClock, forcing_model: ModelSpec
) -> None:
    cache = PromptCache(clock)
    first = cache.account(forcing_model, parsed(cached_body(LONG, 0)), 1)
    second = cache.account(forcing_model, parsed(cached_body(LONG, 0, 1)), 1)
    assert second.cache_read_tokens == first.cache_write_tokens
    assert second.cache_write_tokens == 1


def test_prefixes_are_kept_per_model_and_per_text(parsed: Parse, clock: TurnedClock, forcing_model: ModelSpec) -> None:
    cache, request = PromptCache(clock), parsed(cached_body(LONG, 0))
    cache.account(forcing_model, request, 1)
    assert cache.account(load_models().resolve("haiku"), request, 1).cache_read_tokens == 0
    assert cache.account(forcing_model, parsed(cached_body(LONG + "!", 0)), 1).cache_read_tokens == 0


def test_a_short_prefix_or_a_model_without_caching_is_plain_input(
    parsed: Parse, clock: TurnedClock, forcing_model: ModelSpec
) -> None:
    cache = PromptCache(clock)
    short, long = parsed(cached_body("All about manga.", 0)), parsed(cached_body(LONG, 0))
    without = load_models().by_id("anthropic.claude-3-haiku-20240307-v1:0")
    for spec, request in ((forcing_model, short), (forcing_model, short), (without, long), (without, long)):
        assert cache.account(spec, request, 1) == Usage(request.input_tokens, 1)


def test_cache_control_of_the_messages_format_is_the_same_cache_point(
    parsed: Parse, clock: TurnedClock, forcing_model: ModelSpec
) -> None:
    cache = PromptCache(clock)
    by_converse = cache.account(forcing_model, parsed(cached_body(LONG, 0)), 1)
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 10,
        "system": [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": "Who?"}],
    }
    by_invoke = cache.account(forcing_model, claude_messages.parse(forcing_model.model_id, body), 1)
    assert by_invoke.cache_read_tokens == by_converse.cache_write_tokens


def test_a_prefix_can_be_read_once_the_call_that_writes_it_is_answered(
    parsed: Parse, clock: TurnedClock, forcing_model: ModelSpec
) -> None:
    cache, request = PromptCache(clock), parsed(cached_body(LONG, 0))
    for _ in range(2):
        assert cache.account(forcing_model, request, 7, latency_seconds=2.0).cache_write_tokens > 0
    clock.seconds += 2.0
    usage = cache.account(forcing_model, request, 7, latency_seconds=2.0)
    assert (usage.cache_read_tokens > 0, usage.cache_write_tokens) == (True, 0)
