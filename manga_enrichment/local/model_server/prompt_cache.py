"""Prompt caching: which part of a prompt is read from the cache, written to it, or neither.

Belongs here: cached prefixes and their five minutes. Stays out: prices (`domain/models/usage.py`).
Every cache point lives five minutes here, also one that asks for an hour: the price table has one write price. A prefix
can be read once the call that writes it has been answered, so calls that overlap with the first all pay for writing.
"""

import hashlib
from collections.abc import Callable, Iterator

from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.local.model_server.protocol.model_request import ModelRequest
from manga_enrichment.local.model_server.protocol.tokens import count_tokens, framing_tokens

TTL_SECONDS = 300.0
_SWEEP_ABOVE = 10_000


class PromptCache:
    """Prefixes seen in the last five minutes, by hash and model. clock returns seconds and never runs back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._expiry: dict[bytes, float] = {}
        self._readable_at: dict[bytes, float] = {}

    def clear(self) -> None:
        self._expiry.clear()
        self._readable_at.clear()

    def account(
        self, spec: ModelSpec, request: ModelRequest, output_tokens: int, latency_seconds: float = 0.0
    ) -> Usage:
        """Usage of a call that is about to be billed; remembers its prefixes, refreshes the one it reads.

        latency_seconds: until the call is answered.
        """
        minimum = spec.cache_minimum_tokens
        if minimum is None or not request.prefix.cache_points:
            return Usage(request.input_tokens, output_tokens)
        points = [(key, tokens) for key, tokens in _points(spec, request) if tokens >= minimum]
        if not points:
            return Usage(request.input_tokens, output_tokens)
        now = self._clock()
        read = max((tokens for key, tokens in points if self._is_readable(key, now)), default=0)
        cached = points[-1][1]
        self._sweep(now)
        for key, _ in points:
            if self._expiry.get(key, 0.0) <= now:
                self._readable_at[key] = now + latency_seconds
            self._expiry[key] = now + TTL_SECONDS
        return Usage(request.input_tokens - cached, output_tokens, read, cached - read)

    def _is_readable(self, key: bytes, now: float) -> bool:
        return self._expiry.get(key, 0.0) > now and self._readable_at[key] <= now

    def _sweep(self, now: float) -> None:
        if len(self._expiry) > _SWEEP_ABOVE:
            self._expiry = {key: expiry for key, expiry in self._expiry.items() if expiry > now}
            self._readable_at = {key: self._readable_at[key] for key in self._expiry}


def _points(spec: ModelSpec, request: ModelRequest) -> Iterator[tuple[bytes, int]]:
    """Key of the prefix before each cache point, and its tokens."""
    forced = request.tool_choice in {"any", "tool"}
    digest = hashlib.blake2b(spec.model_id.encode(), digest_size=16)
    tokens = framing_tokens(0, bool(request.tools), forced)
    done = 0
    for point in request.prefix.cache_points:
        for text in request.prefix.texts[done:point]:
            digest.update(b"\0" + text.encode("utf-8", "surrogatepass"))
            tokens += count_tokens(text)
        done = point
        yield digest.digest(), tokens
