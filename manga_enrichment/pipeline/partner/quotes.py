"""A quote: what a batch would come to, item by item, from the plan that the batch itself would have.

Belongs here: what is told of one item. Stays out: planning (`plan_run.py`), the sums (`domain/requests/quotes.py`).
"""

from dataclasses import replace

from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.quotes import QuotedItem, QuoteStatus
from manga_enrichment.pipeline.engine.build_call import Question
from manga_enrichment.pipeline.partner.plan import PlannedItem

_STATUSES = {
    Outcome.SUCCEEDED.value: QuoteStatus.KNOWN,
    Outcome.FAILED.value: QuoteStatus.NO_ANSWER,
    Outcome.INSUFFICIENT_INPUT.value: QuoteStatus.INSUFFICIENT_INPUT,
    Outcome.DEFERRED.value: QuoteStatus.PENDING,
}


def quoted_item(item: PlannedItem, outcome: str, question: Question | None, *, is_first: bool) -> PlannedItem:
    """The item with its quote for an answer.

    outcome: of the answer that is there, or that it was decided with. question: what would be asked; None: nothing.
    is_first: of its analysis and model in the batch, so that it pays for writing the prompt cache.
    """
    told = (
        _asked(question, is_first)
        if question is not None
        else QuotedItem(_STATUSES[outcome], item.error_class, item.reason)
    )
    return PlannedItem(item.analysis, item.manga_id, outcome=Outcome.SUCCEEDED.value, quote=told.as_dict())


def _asked(question: Question, is_first: bool) -> QuotedItem:
    estimate = question.estimate.writing_prefix() if is_first else question.estimate
    longest = replace(estimate.writing_prefix(), output_tokens=estimate.max_tokens)
    return QuotedItem(
        QuoteStatus.TO_ASK,
        model_id=question.model.model_id,
        input_tokens=estimate.input_tokens,
        output_tokens=estimate.output_tokens,
        cost_micro_usd=estimate.cost_micro_usd(question.model),
        most_micro_usd=longest.cost_micro_usd(question.model),
    )
