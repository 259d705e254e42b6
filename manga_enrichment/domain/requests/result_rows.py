"""Rows of `partner_results`: what analysts find of partners' results.

Belongs here: the columns, a row from the document of a result. Stays out: the document (`results.py`), storing
(`pipeline/partner/stored/results.py`).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from manga_enrichment.domain.prompts.conversations import CONVERSATION
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.tables.columns import Column, ListOf

PARTNER_RESULT_COLUMNS = (
    Column("request_id", "string", "request of the partner", nullable=False),
    Column("partner_id", "string", "partner who asked", nullable=False),
    Column("generation", "int64", "attempt at the request that gave this result", nullable=False),
    Column("position", "int64", "place of the item in the request, from 0", nullable=False),
    Column("manga_id", "string", "title asked about; null for a conversation"),
    Column("analysis", "string", "analysis type asked for, or conversation", nullable=False),
    Column("outcome", "string", "succeeded, insufficient_input or failed", nullable=False),
    Column("error_class", "string", "why it did not succeed, null when it did"),
    Column("message", "string", "the same in words"),
    Column("answer", "string", "the answer as JSON; null when there is none, and for a conversation"),
    Column("via", "string", "analysis type whose call gave the answer"),
    Column("fingerprint", "string", "identity of the answer"),
    Column("model_id", "string", "Bedrock model or inference profile that answered"),
    Column("prompt_version", "string", "version of the prompt"),
    Column("from_cache", "bool", "the answer was there before this request", nullable=False),
    Column("cost_micro_usd", "int64", "cost of the item; 0 for one that repeats another", nullable=False),
    Column("completed_at", "timestamp", "when the result was written (UTC)", nullable=False),
    Column("dagster_run_id", "string", "run that wrote it", nullable=False),
    Column("queue", "string", "queue that the request came by"),
    Column("accepted_at", "timestamp", "when the API or SQS took the request, or its redrive (UTC)"),
    Column("claimed_at", "timestamp", "when a worker first took it up (UTC): the waiting ends"),
    Column("model_seconds", "float64", "how long calls of the request were under way, pauses between tries included"),
    Column("by_api", "bool", "the request came by the API, not straight into its queue"),
    Column("reference", "string", "the partner's own name of the request"),
    Column("item_reference", "string", "the partner's own name of the item"),
    Column("input_tokens", "int64", "input tokens of the item, where they are counted with its cost"),
    Column("output_tokens", "int64", "output tokens of the item, likewise"),
    Column(
        "corrected", ListOf("string"), "where in the answer a person's correction stands; null before there were any"
    ),
)


def rows_of_document(document: Mapping[str, Any], told: RequestRow) -> list[dict[str, Any]]:
    """One row per item as sent, from the document that `result_document` makes and the final status of its request.

    Cost stands where an item comes first, so that the column adds up. Rows stay for ever, so a reply is in the document
    alone. [] for a document of a release before 0.3.0, which wrote its rows first.
    """
    return [_row(document, item, told) for item in document["items"] if "fingerprint" in item]


def _row(document: Mapping[str, Any], item: Mapping[str, Any], told: RequestRow) -> dict[str, Any]:
    error, answer = item["error"] or {}, item["answer"]
    is_kept = answer is not None and item["analysis_type"] != CONVERSATION.name
    return {
        **{name: document[name] for name in ("request_id", "partner_id", "generation")},
        **{name: item[name] for name in _SAME_IN_ROWS},
        "analysis": item["analysis_type"],
        "outcome": item["status"],
        "error_class": error.get("class") or None,
        "message": error.get("message") or None,
        "answer": json.dumps(answer, ensure_ascii=False) if is_kept else None,
        "completed_at": datetime.fromisoformat(document["completed_at"]),
        "dagster_run_id": told.run_id,
        **{name: getattr(told, name) for name in ("queue", "accepted_at", "claimed_at", "model_seconds")},
        "by_api": told.item_count > 0,
        "reference": document.get("reference"),
        "item_reference": item.get("reference"),
        "input_tokens": item.get("input_tokens"),
        "output_tokens": item.get("output_tokens"),
        "corrected": item.get("corrected"),
    }


_SAME_IN_ROWS: Sequence[str] = (
    *("position", "manga_id", "via", "fingerprint", "model_id", "prompt_version", "from_cache", "cost_micro_usd"),
)
