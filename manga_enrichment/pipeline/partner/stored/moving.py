"""Result documents of releases before 0.3.0, copied below their partners, where the API hands them out.

Belongs here: the copy. Stays out: reading old documents where they are, which works as before, since status rows
name them and stay as they are.

A copy is younger than what it copies, so it is kept for less: as long as the original has left, of the times there are
tags for. The original stays and ends by its own age.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from manga_enrichment.domain.operations.retention import REQUEST_TEXT_DAYS, RESULT_DAYS, SHORTER_DAYS, kept_for
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import result_document_key


def move_old_results(tables: ObjectStore, now: datetime) -> Counter[str]:
    """How many were copied, were there already, are about to end. Safe to repeat. Raises StoreUnavailableError."""
    counts: Counter[str] = Counter()
    for key in tables.list_keys("fm-results/"):
        document = tables.read_json(key) if key.count("/") == 1 else None
        if document is not None:
            counts[_copy(tables, document, now)] += 1
    return counts


def _copy(tables: ObjectStore, document: Mapping[str, Any], now: datetime) -> str:
    days = _days_left(document, now)
    if days is None:
        return "about to end"
    key = result_document_key(document["partner_id"], document["request_id"])
    try:
        tables.write_json(key, document, new=True, kept_as=kept_for(days))
    except WriteConflictError:
        return "there already"
    return "copied"


def _days_left(document: Mapping[str, Any], now: datetime) -> int | None:
    """The longest of SHORTER_DAYS that is no longer than the original stays."""
    whole = RESULT_DAYS if document["schema"] == "batch_analysis" else REQUEST_TEXT_DAYS
    left = whole - (now - datetime.fromisoformat(document["completed_at"])).days
    return max((each for each in SHORTER_DAYS if each <= left), default=None)
