"""What a record of a batch job is booked at: its usage at the batch price, as far as that can be true.

Belongs here: the bounds that a model puts on usage, what is booked beyond them. Stays out: prices
(`domain/models/usage.py`), entries and rows (`collect.py`), estimates (`pipeline/enrichment/submit_batch.py`).
"""

from dataclasses import dataclass

from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import UnpricedUsageError, Usage, cost_micro_usd
from manga_enrichment.pipeline.batch.job_store import BatchJob

ESTIMATED = "booked at the estimate: "
"""How the log's message begins where usage could not be true."""


@dataclass(frozen=True, slots=True)
class BookedRecord:
    """usage: zero where it is not known. problem: why the cost is an estimate, "" when it follows from the usage."""

    usage: Usage
    cost_micro_usd: int
    problem: str = ""


def book_record(said: Usage, model: ModelSpec, job: BatchJob) -> BookedRecord:
    """said: usage as the job's output tells it. Never raises.

    Impossible or unpriced usage is booked at the record's share of what was set aside for the job.
    """
    problem = _impossible(said, model)
    if not problem:
        try:
            return BookedRecord(said, cost_micro_usd(said, model.price, batch=True))
        except UnpricedUsageError as error:
            problem = str(error)
    return BookedRecord(Usage(), -(-job.reserve_micro_usd // max(1, job.records)), f"{ESTIMATED}{problem}")


def _impossible(said: Usage, model: ModelSpec) -> str:
    """Why no request to this model can have used so much, or less than nothing; "" when one can."""
    inputs = said.input_tokens, said.cache_read_tokens, said.cache_write_tokens
    if min(*inputs, said.output_tokens) < 0:
        return "the model told a negative number of tokens"
    if sum(inputs) > model.max_input_tokens:
        return f"the model told {sum(inputs)} input tokens and takes at most {model.max_input_tokens}"
    if said.output_tokens > model.max_output_tokens:
        return f"the model told {said.output_tokens} output tokens and gives at most {model.max_output_tokens}"
    return ""
