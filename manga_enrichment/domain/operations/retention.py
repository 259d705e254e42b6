"""How long each kind of data is kept, wherever it lies: the one table.

Belongs here: kinds of data, where each lies, after how many days it ends there and by what. Stays out: the rules that
end it. TTLs in `aws/` take their days from here, tests hold `infra/` to it, `retention-docs` prints it.

Days count from when something was written. S3 then hides an object; its last version goes NONCURRENT_DAYS later.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from manga_enrichment.domain.prompts.conversations import CONVERSATION
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.domain.tables.changes import CATALOG_CHANGES, ENRICHED_CHANGES, TOMBSTONES

REQUEST_TEXT_DAYS = 90
RESULT_DAYS = 400
STATUS_DAYS = 400
IDEMPOTENCY_DAYS = 1
PACE_DAYS = 7
USAGE_DAYS = 400
BUDGET_DAYS = 400
LEARNED_QUOTA_DAYS = 30
LEDGER_DAYS = 730
DELIVERED_DAYS = 30
FAILED_DELIVERY_DAYS = 90
RUN_FILES_DAYS = 14
BATCH_FILES_DAYS = 30
ATHENA_RESULTS_DAYS = 30
NONCURRENT_DAYS = 30
UNFINISHED_UPLOAD_DAYS = 7
ACCESS_LOG_DAYS = 90
RUN_HISTORY_DAYS = 30
PROCESS_LOG_DAYS = 30
DATABASE_BACKUP_DAYS = 14
CHANGES_DAYS = 400
POINT_IN_TIME_DAYS = 35
"""What DynamoDB keeps; it cannot be made shorter."""

KEPT_AS = "kept-as"
"""Tag of an object that ends before others of its prefix."""
AS_CONVERSATION = "conversation"
SHORTER_DAYS = (7, 30, 90)
"""How long a policy may have results kept instead."""


class Means(StrEnum):
    """What ends data."""

    LIFECYCLE = "lifecycle rule"
    VERSIONS = "lifecycle rule for replaced versions"
    UPLOADS = "lifecycle rule for uploads"
    TTL = "TTL"
    QUEUE = "SQS"
    LOG_GROUP = "log group"
    JOB = "job `prune_run_history`"
    LOGS_BUCKET = "lifecycle rule of its own bucket"
    DATABASE = "backups of RDS"
    CHANGES_JOB = "job `prune_changes`"
    BACKUP = "point-in-time recovery"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Place:
    """where: prefix in the bucket, default name of a table, queue or log group. days: None for ever.

    set_by: template parameter or setting that changes it. kept_as: only objects with this tag.
    """

    where: str
    means: Means
    days: int | None
    set_by: str = ""
    kept_as: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """why: what the time is good for."""

    what: str
    why: str
    places: tuple[Place, ...]


def _ends(prefix: str, days: int, parameter: str, kept_as: str = "") -> Place:
    return Place(prefix, Means.LIFECYCLE, days, parameter, kept_as)


def kept_for(days: int) -> str:
    """The tag of a result that is kept for these days, one of SHORTER_DAYS."""
    return f"{days}-days"


def _stays(prefix: str) -> Place:
    return Place(prefix, Means.NOTHING, None)


LEDGER, STATUS, BUDGET, SENDERS, OUTBOX = (
    f"manga-fm-{name}" for name in ("results", "request-status", "budget", "senders", "outbox")
)

KINDS = (
    Kind(
        "what partners sent",
        "a message may wait 14 days in a queue and 14 more among the dead letters",
        (_ends("fm-requests/", REQUEST_TEXT_DAYS, "RequestFilesDays"),),
    ),
    Kind(
        "conversations: questions, replies",
        "a session goes on; nobody else needs them, so no table and no log has them",
        (
            _ends("fm-conversations/", REQUEST_TEXT_DAYS, "RequestFilesDays"),
            _ends("fm-results/", REQUEST_TEXT_DAYS, "RequestFilesDays", AS_CONVERSATION),
            Place(LEDGER, Means.TTL, REQUEST_TEXT_DAYS),
        ),
    ),
    Kind(
        "results of batches",
        "partners fetch them; shorter where a partner's policy says so",
        (
            _ends("fm-results/", RESULT_DAYS, "ResultFilesDays"),
            *(_ends("fm-results/", days, "", kept_for(days)) for days in SHORTER_DAYS),
        ),
    ),
    Kind("states of requests", "partners ask for them", (Place(STATUS, Means.TTL, STATUS_DAYS),)),
    Kind(
        "idempotency keys",
        "a repeated POST is the same request; hashes of key and body",
        (Place(STATUS, Means.TTL, IDEMPOTENCY_DAYS),),
    ),
    Kind("pace of each queue", "what partners are told to expect; a number", (Place(STATUS, Means.TTL, PACE_DAYS),)),
    Kind("what partners used, by month", "partners ask for it; numbers", (Place(STATUS, Means.TTL, USAGE_DAYS),)),
    Kind("budget counters", "`costs_reconcile` looks back", (Place(BUDGET, Means.TTL, BUDGET_DAYS),)),
    Kind(
        "who shares a quota; what was learned of it",
        "the next run need not find the quota again; ids of runs and numbers",
        (Place(SENDERS, Means.TTL, LEARNED_QUOTA_DAYS),),
    ),
    Kind(
        "answers about titles",
        "an answer that is there is not paid for again",
        (Place(LEDGER, Means.TTL, LEDGER_DAYS, "MANGA_LEDGER_RETENTION_DAYS"),),
    ),
    Kind(
        "what is changed of partners' policies",
        "until somebody takes it back; numbers, names of analyses and models",
        (Place(STATUS, Means.NOTHING, None),),
    ),
    Kind(
        "canaries of prompts and models",
        "until the next of the same analysis; names, numbers and what differed",
        (Place(STATUS, Means.NOTHING, None),),
    ),
    Kind(
        "callbacks, mail and notifications",
        "a receiver asks; callbacks hold small results, mail an address",
        (Place(OUTBOX, Means.TTL, DELIVERED_DAYS),),
    ),
    Kind(
        "callbacks, mail and notifications that failed",
        "`callbacks retry`",
        (Place(OUTBOX, Means.TTL, FAILED_DELIVERY_DAYS),),
    ),
    Kind(
        "messages",
        "partners' requests wait",
        tuple(Place(q.name, Means.QUEUE, q.retention_days) for q in QUEUES.values()),
    ),
    Kind(
        "working files",
        "a killed run is continued; a batch job takes up to a week",
        (_ends("runs/", RUN_FILES_DAYS, "RunFilesDays"), _ends("batch/", BATCH_FILES_DAYS, "BatchFilesDays")),
    ),
    Kind(
        "Athena's copies of query results",
        "whoever asked can ask again",
        (_ends("athena-results/", ATHENA_RESULTS_DAYS, "AthenaResultsDays"),),
    ),
    Kind(
        "replaced and deleted versions of objects",
        "a mistake can be undone",
        (
            Place("", Means.VERSIONS, NONCURRENT_DAYS, "NoncurrentVersionDays"),
            Place("", Means.UPLOADS, UNFINISHED_UPLOAD_DAYS),
        ),
    ),
    Kind(
        "access log of the API",
        "who asked when; no texts, no keys",
        (Place("/aws/apigateway/manga-enrichment", Means.LOG_GROUP, ACCESS_LOG_DAYS, "AccessLogDays"),),
    ),
    Kind(
        "runs and their logs in Dagster",
        "runs that look at queues: 3 days",
        (
            Place("Dagster", Means.JOB, RUN_HISTORY_DAYS, "MANGA_RUN_HISTORY_DAYS"),
            Place("manga-fm-dagster-logs", Means.LOGS_BUCKET, RUN_HISTORY_DAYS, "RunHistoryDays"),
            Place("Dagster's database", Means.DATABASE, DATABASE_BACKUP_DAYS, "BackupDays"),
        ),
    ),
    Kind(
        "output of the processes on ECS",
        "why something ended; ids, no texts, no keys",
        tuple(
            Place(f"/manga-enrichment/{name}", Means.LOG_GROUP, PROCESS_LOG_DAYS, "LogDays")
            for name in ("code", "webserver", "daemon", "run", "browse")
        ),
    ),
    Kind(
        "earlier states of DynamoDB tables",
        "tables can be restored; cannot be made shorter",
        tuple(Place(name, Means.BACKUP, POINT_IN_TIME_DAYS) for name in (LEDGER, STATUS, BUDGET, SENDERS, OUTBOX)),
    ),
    Kind(
        "tables, requests log, costs",
        "the enriched catalog and the books: ids, numbers, answers about titles; no text of a conversation",
        (_stays("enrichment/"),),
    ),
    Kind(
        "what changed in the tables, day by day",
        "whoever follows them may stop for a while; titles and answers, as in the tables, nothing of partners",
        tuple(
            Place(f"enrichment/{name}/", Means.CHANGES_JOB, CHANGES_DAYS, "MANGA_CHANGES_DAYS")
            for name in (CATALOG_CHANGES, ENRICHED_CHANGES)
        ),
    ),
    Kind(
        "titles that left the catalog",
        "until they return; catalog and answers, as they stood in the tables",
        (_stays(f"enrichment/{TOMBSTONES}/"),),
    ),
    Kind("changes on their way into a table", "until its next version; likewise", (_stays("changes/"),)),
    Kind(
        "the candidate index, what lists were drawn from, what plans worked out, the source's rows as last imported",
        "titles and their catalog's text, hashes of rows and what was told of them; replaced as the catalog is",
        (_stays("candidates/"),),
    ),
    Kind("tokens a call takes", "numbers, one small object per analysis and model", (_stays("calibration/"),)),
    Kind("the report", "one page, replaced every morning, and the figures of 60 days", (_stays("reports/"),)),
    Kind(
        "what trials found",
        "it says why a prompt or a model was taken; titles and answers, as in the tables",
        (_stays("trials/"),),
    ),
    Kind(
        "labels and corrections",
        "truth made by people; values, reasons, and who said so, as the team calls them, until `forget --editor`",
        (_stays("labels/"),),
    ),
    Kind(
        "what people had asked again",
        "its numbers tell new answers from old; ids of titles, reasons, who wanted it, until `forget --editor`",
        (_stays("again/"),),
    ),
    Kind("what was forgotten", "it must be forgotten again after a restore; hashes", (_stays("forgotten/"),)),
)


def places(means: Means) -> Iterator[Place]:
    return (place for kind in KINDS for place in kind.places if place.means is means)


def result_tag(is_conversation: bool, policy_days: int | None) -> str:
    """Tag of a result document; "" for one that is kept as long as most."""
    if policy_days in SHORTER_DAYS and policy_days is not None:
        return kept_for(policy_days)
    return AS_CONVERSATION if is_conversation else ""


def ledger_retention(analysis: str, titles: timedelta) -> timedelta:
    """How long the ledger keeps an answer of this analysis. titles: how long one about a title."""
    return min(titles, timedelta(days=REQUEST_TEXT_DAYS)) if analysis == CONVERSATION.name else titles


def retention_markdown() -> str:
    """`docs/retention.md`."""
    lines = [
        "# Retention",
        "",
        "How long each kind of data is kept, and what ends it. Generated with `manga-enrichment retention-docs` from",
        "`manga_enrichment/domain/operations/retention.py`; tests hold templates and code to the same table.",
        "",
        "An object that a lifecycle rule ends can still be brought back as a replaced version, a row that its TTL ends",
        "from the table's backups. `manga-enrichment forget` has something gone at once ([runbook.md](runbook.md)).",
        "",
        "| what | where | days | ended by | set by | why so long |",
        "|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        for place in kind.places:
            where = f"`{place.where}`" if place.where else "the bucket"
            tagged = f", tag `{KEPT_AS}={place.kept_as}`" if place.kept_as else ""
            set_by = f"`{place.set_by}`" if place.set_by else ""
            days = "for ever" if place.days is None else place.days
            lines.append(f"| {kind.what} | {where}{tagged} | {days} | {place.means} | {set_by} | {kind.why} |")
    return "\n".join([*lines, ""])
