"""What a partner used and spent in a month, for operators.

Belongs here: the document. Stays out: counting (`gateways/requests.py`, `pipeline/engine/money/budget.py`), the same
for the partner itself, whose counters API Gateway reads (`api/templates/`).
"""

from calendar import monthrange
from dataclasses import asdict
from typing import Any

from manga_enrichment.domain.models.usage import usd
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.engine.money.budget import partner_counter


def month_document(
    requests: RequestStore, budget: BudgetStore, partner_id: str, year: int, month: int
) -> dict[str, Any]:
    """As the request front answers it, with the month; days in order, those on which something was spent."""
    name = f"{year:04}-{month:02}"
    days = [f"{name}-{day:02}" for day in range(1, monthrange(year, month)[1] + 1)]
    spent = {day: budget.spent(partner_counter(partner_id, day))[1] for day in days}
    used = asdict(requests.usage(partner_id, name))
    return {
        "month": name,
        "requests": used["requests"],
        "items": used["items"],
        "tokens": {"input": used["input_tokens"], "output": used["output_tokens"]},
        "days": [{"day": day, "cost_usd": usd(amount)} for day, amount in spent.items() if amount],
        "cost_usd": usd(sum(spent.values())),
    }
