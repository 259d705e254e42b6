"""The quote of a batch at once, for operators: no message, no row, no document.

Belongs here: planning a batch that nobody sent. Stays out: what is told of an item (`quotes.py`), the lane that answers
partners the same (`plan_run.py`, `ending/settle.py`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.reading.duplicates import unique_items
from manga_enrichment.domain.requests.results import (
    ItemResult,
    References,
    RequestResult,
    ResultHeading,
    result_document,
)
from manga_enrichment.domain.requests.schemas import QUOTE, SCHEMA_VERSION
from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning
from manga_enrichment.pipeline.partner.stored.requests import StoredRequest

_ID = "quote"


def price_of(planning: PartnerPlanning, body: Mapping[str, Any], partner_id: str, now: datetime) -> dict[str, Any]:
    """body: valid and normalised. Raises ConfigurationError when the catalog was never imported."""
    request = StoredRequest(_ID, partner_id, QUOTE, SCHEMA_VERSION, now, "cli", body)
    planned = planning.plan([request]).items[_ID]
    items = tuple(
        ItemResult(each.analysis, each.manga_id, Outcome(each.outcome), answer=each.quote) for each in planned
    )
    result = RequestResult(_ID, items, unique_items(body["items"]).index_of)
    heading = ResultHeading(_ID, partner_id, QUOTE, 0, now, now, 0, References.of_body(body))
    quote: dict[str, Any] = result_document(heading, result)["quote"]
    return quote
