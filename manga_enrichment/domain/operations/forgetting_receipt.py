"""The receipt of forgetting: what was deleted where, what ends by itself and when, what stays and why.

Belongs here: the receipt as a document and in words. Stays out: how long things are kept (`retention.py`), deleting
(`pipeline/forgetting/`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from manga_enrichment.domain.operations.retention import BUDGET, KINDS, LEDGER, STATUS, USAGE_DAYS, Means
from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES


@dataclass(frozen=True, slots=True)
class AgesOut:
    """Ends by itself within so many days of being written; None: see where."""

    what: str
    where: str
    days: int | None


@dataclass(frozen=True, slots=True)
class Stays:
    """places: patterns of keys, names of tables. holds: which ids can be found there still; identifiers: as what."""

    places: tuple[str, ...]
    holds: tuple[str, ...]
    identifiers: str
    why: str


PARTNER_ID, REQUEST_ID = "partner_id", "request_id"
_DEAD = frozenset(queue.name for queue in DEAD_LETTER_QUEUES)
_AGING = frozenset({Means.BACKUP, Means.LOG_GROUP, Means.JOB})

AGES_OUT = (
    *(
        AgesOut(kind.what, place.where, place.days)
        for kind in KINDS
        for place in kind.places
        if place.means in _AGING or place.where == "athena-results/"
    ),
    *(
        AgesOut("messages that no worker has received: worked on as new requests, so forget --again then", each, days)
        for each, days in (
            (place.where, place.days)
            for kind in KINDS
            for place in kind.places
            if place.means is Means.QUEUE and place.where not in _DEAD
        )
    ),
    AgesOut("request ids in logs of Dagster's processes", "the log group of your deployment", None),
)
STAYS = (
    Stays(
        ("enrichment/requests/*", "enrichment/enrichment_costs/*", "runs/*/results/*", "runs/arrears/*"),
        (PARTNER_ID, REQUEST_ID),
        "partner id, `request:<request id>` of conversations, fingerprints, run ids",
        "the books: what was paid for, when, for whom",
    ),
    Stays(
        (BUDGET,),
        (PARTNER_ID,),
        "partner id in counters `partner:<partner id>:<day>`, run ids and partner id in spenders; 400 days",
        "the books: `costs_reconcile` holds the log to them",
    ),
    Stays(
        (STATUS,),
        (PARTNER_ID,),
        f"partner id in `usage:<partner id>:<month>`, with numbers of requests, items, tokens; {USAGE_DAYS} days; and "
        "in `policy:<partner id>` until somebody takes the changes back",
        "the books of a month, and what operators have allowed",
    ),
    Stays(
        (LEDGER,),
        (PARTNER_ID,),
        "answers about titles to items without a note, with the id of the partner who paid; 730 days",
        "they are about titles of the catalog and hold nothing that a partner wrote",
    ),
    Stays(
        ("runs/units/*",),
        (REQUEST_ID,),
        "request id in the key of a unit of which others have not ended; 14 days",
        "a run that works at the others looks it up by this key",
    ),
    Stays(("reports/*",), (PARTNER_ID,), "partner id, until the next morning's report", "sums of the books"),
    Stays(
        ("forgotten/*",),
        (PARTNER_ID,),
        "partner id, digests of user, requests and answers",
        "to forget again after a restore",
    ),
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One subject. In a dry run all that would be deleted.

    objects             keys of objects of which every version went
    rewritten           keys of objects of runs that others share
    silenced            keys of objects of the requests log in which a message was emptied
    unseen_dead_letters no look was had at them: forget again
    still_open          requests that have not ended; only in a dry run
    listed_as           key of the document from which --again works; "" when nothing was found
    """

    subject: Mapping[str, Any]
    dry_run: bool
    requests: Sequence[str] = ()
    objects: Sequence[str] = ()
    object_versions: int = 0
    rewritten: Sequence[str] = ()
    silenced: Sequence[str] = ()
    status_rows: int = 0
    deliveries: Sequence[str] = ()
    ledger_entries: Sequence[str] = ()
    dead_letters: Sequence[str] = ()
    unseen_dead_letters: int = 0
    still_open: Sequence[str] = ()
    listed_as: str = ""
    ages_out: Sequence[AgesOut] = field(default=AGES_OUT)
    stays: Sequence[Stays] = field(default=STAYS)

    @property
    def found_nothing(self) -> bool:
        found = (self.requests, self.objects, self.rewritten, self.silenced, self.deliveries, self.ledger_entries)
        return not any((*found, self.dead_letters))

    def to_document(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """For people: numbers, not keys."""
        done = "would be deleted" if self.dry_run else "deleted"
        lines = [
            f"{len(self.requests)} requests; {done}:",
            f"  {self.object_versions} versions of {len(self.objects)} objects and {len(self.rewritten)} shared ones",
            f"  {self.status_rows} status rows, {len(self.deliveries)} callbacks and notifications",
            f"  {len(self.ledger_entries)} answers in the ledger, {len(self.dead_letters)} dead letters",
            f"  words in {len(self.silenced)} objects of the requests log",
        ]
        if self.unseen_dead_letters:
            lines.append(f"  {self.unseen_dead_letters} dead letters were not seen: forget again")
        if self.still_open:
            lines.append(f"  {len(self.still_open)} requests have not ended, which stops forgetting")
        lines.append("ends by itself:")
        lines += [f"  {each.where}: {each.what}{_within(each.days)}" for each in self.ages_out]
        lines.append("stays:")
        lines += [f"  {', '.join(each.places)}: {each.identifiers} ({each.why})" for each in self.stays]
        return "\n".join([*lines, *([f"listed as {self.listed_as}"] if self.listed_as else [])])


def _within(days: int | None) -> str:
    return "" if days is None else f", {days} days"
