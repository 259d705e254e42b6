"""Cancelling requests: what is said of it to operators.

Belongs here: the sentence. Stays out: the mark (`gateways/requests.py`), who honours it
(`pipeline/partner/holding/leases.py`, `pipeline/partner/ending/settle.py`).
"""

from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.states import RequestState, is_final


def cancel_sentence(request_id: str, row: RequestRow | None) -> str:
    """What `RequestStore.cancel` came to. row: what it gave."""
    if row is None:
        return (
            f"{request_id}: nobody knows it yet; one that was put straight into its queue is known once it is received"
        )
    if row.state is RequestState.CANCELLED:
        return f"{request_id}: is cancelled"
    if is_final(row.state):
        return f"{request_id}: has ended before, as {row.state.value}"
    return f"{request_id}: nothing more is asked; it is {row.state.value} until a worker has seen that"
