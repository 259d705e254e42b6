"""What an answered call is booked at: its usage, as far as that can be true.

Belongs here: the bounds that a model and a request put on usage, and what is booked beyond them. Stays out: prices
(`domain/models/usage.py`), what a call is expected to take (`estimates.py`).
"""

from dataclasses import dataclass

from manga_enrichment.domain.models.guardrails import Guarding, Guardrail
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import UnpricedUsageError, Usage, cost_micro_usd
from manga_enrichment.pipeline.engine.money.estimates import CallEstimate

LONGEST_INPUT_FACTOR = 20
"""Times the estimated input tokens: estimates are off by up to 3, tool and schema text included."""
SHORTEST_BOUND_TOKENS = 2_000
ESTIMATED = "booked at the estimate: "
"""How the log's message begins where usage could not be true; a check counts these rows."""


@dataclass(frozen=True, slots=True)
class BookedUsage:
    """What is booked for one answer. problem: why it is an estimate, "" when it is what the model said.

    guardrail_micro_usd: part of the cost.
    """

    usage: Usage
    cost_micro_usd: int
    problem: str = ""
    guardrail_micro_usd: int = 0

    @property
    def is_estimate(self) -> bool:
        return bool(self.problem)


def book_call(said: Usage, model: ModelSpec, estimate: CallEstimate) -> BookedUsage:
    """said: usage as the model tells it. Beyond what was sent and allowed, the estimate is booked; never raises."""
    most_input = min(model.max_input_tokens, SHORTEST_BOUND_TOKENS + LONGEST_INPUT_FACTOR * estimate.input_tokens)
    most_output = estimate.max_tokens + model.thinking_tokens
    booked = _booked(said, model, most_input, most_output, batch=False)
    if isinstance(booked, BookedUsage):
        return booked
    return BookedUsage(estimate.usage, estimate.tokens_micro_usd(model), f"{ESTIMATED}{booked}")


def with_guardrail(
    booked: BookedUsage, guardrail: Guardrail | None, guarding: Guarding | None, estimate_micro_usd: int
) -> BookedUsage:
    """And what the guardrail took, at the estimate where the answer does not tell it or there is no price."""
    if guardrail is None:
        return booked
    problem = "the answer does not tell what its guardrail looked at"
    took = estimate_micro_usd
    if guarding is not None and guarding.units is not None:
        try:
            took, problem = guardrail.cost_micro_usd(guarding.units), ""
        except UnpricedUsageError as error:
            problem = str(error)
    said = ". ".join(filter(None, (booked.problem, f"{ESTIMATED}{problem}" if problem else "")))
    return BookedUsage(booked.usage, booked.cost_micro_usd + took, said, took)


def book_record(said: Usage, model: ModelSpec, estimate_micro_usd: int) -> BookedUsage:
    """The same for a record of a batch job, of which only the model's own limits are known."""
    booked = _booked(said, model, model.max_input_tokens, model.max_output_tokens, batch=True)
    if isinstance(booked, BookedUsage):
        return booked
    return BookedUsage(Usage(), estimate_micro_usd, f"{ESTIMATED}{booked}")


def _booked(said: Usage, model: ModelSpec, most_input: int, most_output: int, *, batch: bool) -> BookedUsage | str:
    """What the model said, or why that cannot be booked."""
    if problem := _impossible(said, most_input, most_output):
        return problem
    try:
        return BookedUsage(said, cost_micro_usd(said, model.price, batch=batch))
    except UnpricedUsageError as error:
        return str(error)


def _impossible(said: Usage, most_input: int, most_output: int) -> str:
    """Why no call can have used so much, or less than nothing; "" when one can."""
    inputs = said.input_tokens, said.cache_read_tokens, said.cache_write_tokens
    if min(*inputs, said.output_tokens) < 0:
        return "the model told a negative number of tokens"
    if sum(inputs) > most_input:
        return f"the model told {sum(inputs)} input tokens where at most {most_input} are possible"
    if said.output_tokens > most_output:
        return f"the model told {said.output_tokens} output tokens where at most {most_output} are possible"
    return ""


def quota_tokens_used(usage: Usage, burndown: int) -> int:
    return usage.input_tokens + usage.cache_write_tokens + usage.output_tokens * burndown
