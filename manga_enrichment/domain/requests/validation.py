"""`validate`: everything that is wrong with a request body, at once.

Belongs here: the order of the checks and their result. Stays out: the checks themselves, the queue's envelope
(`reading/envelope.py`).

Order: is it safe to look at (if not, nothing else is said) - schema - characters - tokens - normal form. No value makes
it raise and no value is changed: the queue is not a trust boundary, and one bad message must not stop the others.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from manga_enrichment.domain.analyses import AnalysisSet, packaged_analyses
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.requests.asked_models import AliasOf, own_alias
from manga_enrichment.domain.requests.callback_urls import is_loopback_callback
from manga_enrichment.domain.requests.cost_guard import VALIDATOR, guard_problems, request_tokens
from manga_enrichment.domain.requests.policies import NO_POLICIES, PartnerPolicies
from manga_enrichment.domain.requests.policy_checks import policy_problems
from manga_enrichment.domain.requests.problems import Code, Problem, in_order, problem, schema_problems
from manga_enrichment.domain.requests.reading.duplicates import unique_items
from manga_enrichment.domain.requests.reading.json_shape import Shape, read_shape
from manga_enrichment.domain.requests.reading.normalisation import normalised
from manga_enrichment.domain.requests.reading.text_checks import text_problems
from manga_enrichment.domain.requests.schemas import (
    ANY_POSITION,
    BATCH,
    QUOTE,
    REQUEST_SCHEMAS,
    default_of,
    schema_document,
    schema_validator,
    text_fields,
)

MAX_ERRORS = 50
"""Errors, and warnings, that a result holds; the rest is counted."""

_OPTIONAL_TEXT = "additional_context"
EMAIL_NOT_SENT = problem(
    ("notification", "email"),
    Code.EMAIL_NOT_SENT_WARNING,
    "channels",
    "no mail is sent: give a callback_url, or name a topic that has this address as a subscriber",
)
NOT_STREAMED = problem(
    ("stream",), Code.NOT_STREAMED_WARNING, "channels", "nothing is streamed: the answer comes as one document"
)
TEMPERATURE_NOT_SENT = problem(
    ("temperature",), Code.TEMPERATURE_WARNING, "models", "has no effect: the model that is asked takes none"
)
"""Fields that are accepted and have no effect; the request front warns of the same."""
LONG_TEXT = problem(
    (),
    Code.LONG_TEXT_WARNING,
    VALIDATOR,
    "may be too long for its model (sonnet 8,000 tokens, haiku 16,000; about one for a Japanese character): then it "
    "ends as rejected",
)
"""What the request front says of long texts, since it counts characters and no tokens."""


@cache
def models_without_temperature() -> tuple[str, ...]:
    """Aliases of models, as packaged, that take no temperature."""
    aliases: list[str] = schema_document("manga_query")["properties"]["model"]["enum"]
    return tuple(each for each in aliases if not load_models().resolve(each).takes_temperature)


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """What our settings, not the documents, say about a request.

    allowed_topics            SNS topics that may be notified; None leaves the question to whoever publishes
    allow_loopback_callbacks  accept callbacks to this machine, also over http: for the local stack
    partners                  what each partner may
    analyses                  what there is to ask for; None: the packaged ones
    sends_mail                mail is sent to addresses that the partner's policy allows; else nobody gets any
    alias_of                  of which model an analysis of a batch is asked that names none
    """

    allowed_topics: frozenset[str] | None = None
    allow_loopback_callbacks: bool = False
    partners: PartnerPolicies = NO_POLICIES
    sends_mail: bool = False
    alias_of: AliasOf = own_alias
    analyses: AnalysisSet | None = None

    @property
    def for_partners(self) -> Mapping[str, AnalysisType]:
        """What a batch may ask for."""
        return (self.analyses or packaged_analyses()).for_partners


ANY_TOPIC = RequestPolicy()


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """errors and warnings are in a fixed order; what exceeds MAX_ERRORS of either is only counted.

    normalized_body   the request with defaults, None when there are errors
    estimated_tokens  input tokens of all its calls, repeated items once; 0 when it cannot be told
    """

    schema: str
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    normalized_body: dict[str, Any] | None = None
    estimated_tokens: int = 0
    errors_omitted: int = 0
    warnings_omitted: int = 0

    @property
    def valid(self) -> bool:
        return not self.errors

    def to_document(self) -> dict[str, Any]:
        """For answers and status rows: everything but the body."""
        return {
            "schema": self.schema,
            "valid": self.valid,
            "errors": [each.to_document() for each in self.errors],
            "errors_omitted": self.errors_omitted,
            "warnings": [each.to_document() for each in self.warnings],
            "warnings_omitted": self.warnings_omitted,
            "estimated_tokens": self.estimated_tokens,
        }


def validate(
    schema_name: str, body: Any, policy: RequestPolicy = ANY_TOPIC, *, partner_id: str = ""
) -> ValidationResult:
    """Judge a body against one of REQUEST_SCHEMAS, or QUOTE. Raises nothing, whatever the body is, but what
    `policy.partners` raises, and never changes it. partner_id: whose it is; "" for anybody's.
    """
    schema_name = BATCH if schema_name == QUOTE else schema_name
    if schema_name not in REQUEST_SCHEMAS:
        message = f"unknown schema: choose one of {', '.join(REQUEST_SCHEMAS)}"
        return _result("", [problem((), Code.UNKNOWN_SCHEMA, "schema", message)])
    shape = read_shape(body)
    if shape.hazards:
        return _result(schema_name, shape.hazards)
    estimates = request_tokens(schema_name, body, shape.texts, policy.for_partners, policy.alias_of)
    found = [*_problems(schema_name, body, shape, policy, partner_id), *guard_problems(estimates)]
    tokens = sum(each.input_tokens for each in estimates)
    if any(not each.code.is_warning for each in found):
        return _result(schema_name, found, tokens=tokens)
    document = normalised(schema_name, body)
    if schema_name == BATCH:
        unique = unique_items(document["items"])
        tokens = sum(estimates[place].input_tokens for place in _first_places(unique.index_of))
        found += _repetitions(unique.repeated, len(unique.index_of))
    return _result(schema_name, found, document, tokens)


def _problems(schema: str, body: Any, shape: Shape, policy: RequestPolicy, partner_id: str) -> Iterator[Problem]:
    own = policy.partners.of(partner_id)
    yield from shape.problems
    yield from _schema_errors(schema, body, policy)
    yield from _topic_errors(body, policy)
    yield from policy_problems(schema, body, own, policy.for_partners, policy.alias_of, sends_mail=policy.sends_mail)
    yield from _without_effect(body, policy)
    yield from _text_problems(schema, shape)


def _result(
    schema: str, found: Iterable[Problem], document: dict[str, Any] | None = None, tokens: int = 0
) -> ValidationResult:
    ordered = in_order(found)
    errors = [each for each in ordered if not each.code.is_warning]
    warnings = [each for each in ordered if each.code.is_warning]
    return ValidationResult(
        schema=schema,
        errors=tuple(errors[:MAX_ERRORS]),
        warnings=tuple(warnings[:MAX_ERRORS]),
        normalized_body=document,
        estimated_tokens=tokens,
        errors_omitted=max(0, len(errors) - MAX_ERRORS),
        warnings_omitted=max(0, len(warnings) - MAX_ERRORS),
    )


def _schema_errors(schema: str, body: Any, policy: RequestPolicy) -> list[Problem]:
    found = schema_problems(schema_validator(schema, tuple(policy.for_partners)).iter_errors(body))
    if policy.allow_loopback_callbacks and isinstance(body, dict):
        url = body.get("callback_url")
        if isinstance(url, str) and is_loopback_callback(url):
            return [each for each in found if each.location != ("callback_url",)]
    return found


def _topic_errors(body: Any, policy: RequestPolicy) -> list[Problem]:
    notification = body.get("notification") if isinstance(body, dict) else None
    topic = notification.get("sns_topic_arn") if isinstance(notification, dict) else None
    if policy.allowed_topics is None or not isinstance(topic, str) or topic in policy.allowed_topics:
        return []
    message = "is not one of the topics agreed on"
    return [problem(("notification", "sns_topic_arn"), Code.TOPIC_NOT_ALLOWED, "allow_list", message)]


def _without_effect(body: Any, policy: RequestPolicy) -> list[Problem]:
    """The documents have these fields, and nothing of ours sends mail or streams: say so instead of keeping quiet."""
    notification = body.get("notification") if isinstance(body, dict) else None
    mailed = isinstance(notification, dict) and "email" in notification and not policy.sends_mail
    streamed = isinstance(body, dict) and body.get("stream") is True
    cold = isinstance(body, dict) and "temperature" in body
    is_unsent = cold and body.get("model", default_of("manga_query", "model")) in models_without_temperature()
    found = ((EMAIL_NOT_SENT, mailed), (NOT_STREAMED, streamed), (TEMPERATURE_NOT_SENT, is_unsent))
    return [warning for warning, holds in found if holds]


def _text_problems(schema: str, shape: Shape) -> list[Problem]:
    fields = text_fields(schema)
    return [
        each
        for location, text in shape.texts
        if tuple(ANY_POSITION if isinstance(part, int) else part for part in location) in fields
        for each in text_problems(location, text, required=location[-1] != _OPTIONAL_TEXT)
    ]


def _first_places(index_of: tuple[int, ...]) -> list[int]:
    """Where each unique item was sent first."""
    return [index_of.index(place) for place in range(max(index_of) + 1)]


def _repetitions(repeated: int, sent: int) -> list[Problem]:
    if not repeated:
        return []
    message = f"{repeated} of {sent} items repeat an earlier one: each is answered once and reported for each"
    return [problem(("items",), Code.DUPLICATE_ITEM_WARNING, "duplicates", message)]
