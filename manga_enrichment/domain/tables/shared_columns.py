"""Columns of the tables analysts read, beside those each analysis adds itself.

`docs/tables.md` is generated from these descriptions; a test holds the two together.
"""

from manga_enrichment.domain.tables.columns import Column, ListOf

PROVENANCE_COLUMNS = (
    Column(
        "via", "string", "analysis type whose call gave this row: the table's own or full_enrichment", nullable=False
    ),
    Column("fingerprint", "string", "identity of the answer: sha256 over all it depends on", nullable=False),
    Column("model_id", "string", "Bedrock model or inference profile that answered", nullable=False),
    Column("prompt_version", "string", "version of the prompt", nullable=False),
    Column("answered_at", "timestamp", "when the answer was saved (UTC)", nullable=False),
    Column("dagster_run_id", "string", "run that paid for the answer", nullable=False),
)

MANGA_ID_COLUMN = Column("manga_id", "string", "store id of the title, MNG- and 8 characters", nullable=False)

CORRECTED_COLUMN = Column(
    "corrected", ListOf("string"), "columns in which a person's correction stands instead of the model's answer"
)
"""Null for most titles: in those everything is the model's."""

OUTCOME_COLUMNS = (
    MANGA_ID_COLUMN,
    Column("outcome", "string", "succeeded, insufficient_input, deferred or failed", nullable=False),
    Column("error_class", "string", "why it did not succeed, null when it did"),
    Column("reason", "string", "the same in words"),
    Column("lost_nights", "int64", "runs whose answer to this question was lost (`malformed_answer`); null for none"),
    Column("transient", "bool", "true: the next run tries again by itself", nullable=False),
    Column("via", "string", "analysis type whose call decided it, null when no call was needed"),
    Column("fingerprint", "string", "identity of the answer that exists or is missing"),
    Column("decided_at", "timestamp", "when this outcome was first seen (UTC)", nullable=False),
    Column("dagster_run_id", "string", "run that decided it", nullable=False),
)

REQUEST_COLUMNS = (
    MANGA_ID_COLUMN,
    Column("analysis", "string", "analysis type asked for", nullable=False),
    Column("bucket", "string", "catalog bucket of the title", nullable=False),
    Column("fingerprint", "string", "identity of the answer asked for; null when nothing was asked"),
    Column("attempt", "int64", "1 for the first request sent for this answer; 0 when none was sent", nullable=False),
    Column("attempts", "int64", "requests sent in all for this answer", nullable=False),
    Column("status", "string", "outcome of the title for its last attempt, else `retried`", nullable=False),
    Column("error_class", "string", "why the attempt or title did not succeed"),
    Column("stop_reason", "string", "stopReason of the reply"),
    Column("message", "string", "the error in words, at most 300 characters"),
    Column("input_tokens", "int64", "input tokens billed, without cached ones", nullable=False),
    Column("output_tokens", "int64", "output tokens billed", nullable=False),
    Column("cache_read_tokens", "int64", "tokens read from the prompt cache", nullable=False),
    Column("cache_write_tokens", "int64", "tokens written to the prompt cache", nullable=False),
    Column("cost_micro_usd", "int64", "cost in micro-dollars (1,000,000 = 1 USD)", nullable=False),
    Column("guardrail_micro_usd", "int64", "part of the cost that a guardrail took; null before 0.3.0"),
    Column("maybe_billed", "bool", "no reply came, or none that can be true: the cost is an estimate", nullable=False),
    Column("latency_ms", "int64", "time from sending to the complete reply; 0 in the batch lane", nullable=False),
    Column("from_cache", "bool", "answered from the ledger: nothing was sent or billed", nullable=False),
    Column("model_id", "string", "Bedrock model or inference profile"),
    Column("service_tier", "string", "default, flex or priority; null when unknown, in the batch lane, before 0.3.0"),
    Column("prompt_version", "string", "version of the prompt"),
    Column("lane", "string", "on_demand or batch", nullable=False),
    Column("started_at", "timestamp", "when the attempt was sent, or the outcome decided (UTC)", nullable=False),
    Column("dagster_run_id", "string", "run that sent it", nullable=False),
    Column("trigger", "string", "schedule, backfill, manual, partner or trial", nullable=False),
    Column("partner_id", "string", "partner who asked, null for the store's own runs"),
    Column(
        "why",
        "string",
        "why a run asked: new, changed field, new prompt, new model, retry, or forced and the words of whoever had it "
        "asked again; null for partners, trials, before 0.3.0",
    ),
)
