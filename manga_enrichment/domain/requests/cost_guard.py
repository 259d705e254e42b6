"""How many tokens a request will send, and how many are too many.

Belongs here: which texts of a request are sent, what is sent along with them, the guards. Stays out: the estimate of
one text (`domain/prompts/tokens.py`), money and budgets (the engine reserves exact amounts per call).

The guard is per call: a query and a chat are one call each, a batch is one call per item. Tokens follow from the text
itself, not from the language it claims to be in. What a request does not tell (the size of a title, the conversation
so far) is taken as typical; the engine's own estimate, with the title at hand, is what money is reserved by. Titles
that a conversation is shown take what its own text leaves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.prompts.prompt import Prompt
from manga_enrichment.domain.prompts.prompt_tokens import estimate_prompt
from manga_enrichment.domain.prompts.tokens import estimate_tokens
from manga_enrichment.domain.requests.asked_models import AliasOf, asked_alias, own_alias
from manga_enrichment.domain.requests.problems import Code, Location, Problem, problem
from manga_enrichment.domain.requests.reading.json_shape import read_shape
from manga_enrichment.domain.requests.schemas import default_of

VALIDATOR = "cost_guard"

TOKEN_GUARDS: Mapping[str, int] = MappingProxyType({"sonnet": 8_000, "haiku": 16_000})
"""Input tokens of one call, by model alias; an alias without a guard gets the strictest one."""

WARN_FROM_PERCENT = 80

CONVERSATION_TOKENS = 200
"""The system text of a conversation."""
MESSAGE_TOKENS = 4
"""Role and separators of one message."""
TITLE_TOKENS = 350
"""A catalog entry in a prompt; 95 % of the sample's titles take fewer."""
CANDIDATES_TOKENS = 1_200
"""Twenty candidates with hints."""

_SENT = frozenset({"query", "content", "additional_context"})


@dataclass(frozen=True, slots=True)
class RequestTokens:
    """Input tokens of one call. location: the part of the request that it answers."""

    location: Location
    model: str
    input_tokens: int


def request_tokens(
    schema: str,
    body: Any,
    texts: Sequence[tuple[Location, str]],
    analyses: Mapping[str, AnalysisType],
    alias_of: AliasOf = own_alias,
) -> list[RequestTokens]:
    """One estimate per call that the request asks for.

    body may be invalid in any way; texts are all of its strings (`json_shape.read_shape`); analyses: what a batch may
    ask for.
    """
    if schema == "batch_analysis":
        return _batch_estimates(body, texts, analyses, alias_of)
    sent = [text for location, text in texts if _is_sent(location)]
    tokens = CONVERSATION_TOKENS + sum(MESSAGE_TOKENS + estimate_tokens(text) for text in sent)
    return [RequestTokens((), _model(schema, body), tokens)]


def guard_problems(estimates: Sequence[RequestTokens], guards: Mapping[str, int] = TOKEN_GUARDS) -> list[Problem]:
    """An error for each call over the guard of its model, a warning for each at 80 % of it or more."""
    found = []
    for each in estimates:
        guard = guards.get(each.model, min(guards.values()))
        if each.input_tokens > guard:
            code, relation = Code.TOKEN_LIMIT_EXCEEDED, "over"
        elif each.input_tokens * 100 >= guard * WARN_FROM_PERCENT:
            code, relation = Code.TOKEN_LIMIT_WARNING, "close to"
        else:
            continue
        message = f"about {each.input_tokens} input tokens, {relation} the limit of {guard} for {each.model}"
        found.append(problem(each.location, code, VALIDATOR, message))
    return found


def tokens_left(schema: str, body: Any) -> int:
    """Between a conversation's own text and the guard of its model. body: valid."""
    [estimate] = request_tokens(schema, body, read_shape(body).texts, {})
    return max(0, TOKEN_GUARDS[estimate.model] - estimate.input_tokens)


def _is_sent(location: Location) -> bool:
    return bool(location) and (location[-1] in _SENT or "previous_manga" in location)


def _model(schema: str, body: Any) -> str:
    asked = body.get("model") if isinstance(body, dict) else None
    return asked if isinstance(asked, str) and asked in TOKEN_GUARDS else str(default_of(schema, "model"))


def _batch_estimates(
    body: Any, texts: Sequence[tuple[Location, str]], analyses: Mapping[str, AnalysisType], alias_of: AliasOf
) -> list[RequestTokens]:
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list):
        return []
    notes = {location[:2]: text for location, text in texts if location[2:] == ("additional_context",)}
    estimates = []
    for position, item in enumerate(items):
        name = item.get("analysis_type") if isinstance(item, dict) else None
        if isinstance(name, str) and name in analyses:
            location = ("items", position)
            tokens = prompt_overhead(analyses[name]) + _note_tokens(notes.get(location, ""))
            estimates.append(RequestTokens(location, asked_alias(body, analyses[name], alias_of), tokens))
    return estimates


def _note_tokens(note: str) -> int:
    """The prompt replaces angle brackets by wider ones: one token more each."""
    return estimate_tokens(note) + note.count("<") + note.count(">")


@cache
def prompt_overhead(analysis: AnalysisType) -> int:
    """Tokens of a call about a typical title, before any note: instructions, schema, title, candidates."""
    prompt = Prompt(
        system=analysis.instructions,
        user=analysis.request,
        tool_name=analysis.tool_name,
        tool_description=analysis.description,
        tool_schema=analysis.output_schema,
        max_tokens=analysis.max_tokens,
        temperature=None,
    )
    candidates = CANDIDATES_TOKENS if analysis.needs_candidates else 0
    return estimate_prompt(prompt) + TITLE_TOKENS + candidates
