"""What an answered call is booked at: its usage, as far as that can be true.

Belongs here: the bounds that a model and a request put on usage. Stays out: prices (`domain/models/usage.py`), what a
call is expected to take (`estimates.py`).
"""

from dataclasses import dataclass

from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import UnpricedUsageError, Usage, cost_micro_usd
from manga_enrichment.pipeline.engine.estimates import CallEstimate

LONGEST_INPUT_FACTOR = 20
"""Times the estimated input tokens: estimates are off by up to 3, tool and schema text included."""
SHORTEST_BOUND_TOKENS = 2_000
ESTIMATED = "booked at the estimate: "
"""How the log's message begins where usage could not be true; a check counts these rows."""


@dataclass(frozen=True, slots=True)
class BookedUsage:
    """What is booked for one answered call. problem: why it is an estimate, "" when it is what the model said."""

    usage: Usage
    cost_micro_usd: int
    problem: str = ""

    @property
    def is_estimate(self) -> bool:
        return bool(self.problem)


def book_usage(said: Usage, model: ModelSpec, estimate: CallEstimate) -> BookedUsage:
    """said: usage as the model tells it. Impossible or unpriced usage is booked at the estimate; never raises."""
    problem = _impossible(said, model, estimate)
    if not problem:
        try:
            return BookedUsage(said, cost_micro_usd(said, model.price))
        except UnpricedUsageError as error:
            problem = str(error)
    return BookedUsage(estimate.usage, estimate.cost_micro_usd(model), f"{ESTIMATED}{problem}")


def _impossible(said: Usage, model: ModelSpec, estimate: CallEstimate) -> str:
    """Why no call of this request can have used so much (or less than nothing); "" when it can."""
    inputs = said.input_tokens, said.cache_read_tokens, said.cache_write_tokens
    if min(*inputs, said.output_tokens) < 0:
        return "the model told a negative number of tokens"
    most_input = min(model.max_input_tokens, SHORTEST_BOUND_TOKENS + LONGEST_INPUT_FACTOR * estimate.input_tokens)
    if sum(inputs) > most_input:
        return f"the model told {sum(inputs)} input tokens where at most {most_input} can have been sent"
    if said.output_tokens > estimate.max_tokens + model.thinking_tokens:
        return f"the model told {said.output_tokens} output tokens where {estimate.max_tokens} were allowed"
    return ""
