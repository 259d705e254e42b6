"""Forgetting a partner, a user or a request: the order of deletions, the list of what was forgotten, the receipt.

Belongs here: the order. Stays out: which requests (`find.py`), objects (`objects.py`), the requests log (`books.py`).

    list            forgotten/: digests of all that goes. From here on `again` finishes what is cut off
    books           what only the ledger knows is logged, words in the log are emptied
    ledger, outbox, dead letters
    objects         shared ones are written without the requests; then theirs, stored bodies last
    status rows     last, since they and the bodies are how requests are found
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from manga_enrichment.domain.operations.forgetting import (
    StillWorkedOnError,
    Subject,
    Trace,
    digest,
    user_digest,
)
from manga_enrichment.domain.operations.forgetting_receipt import Receipt
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.requests.reading.envelope import Envelope, parse_envelope
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.erasure import Erasure
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import Message, RequestQueue
from manga_enrichment.pipeline.dead_letters.sweep import sweep
from manga_enrichment.pipeline.forgetting.books import log_keys, take_words_out, with_words
from manga_enrichment.pipeline.forgetting.editors import is_of_editor
from manga_enrichment.pipeline.forgetting.find import Finding
from manga_enrichment.pipeline.forgetting.objects import ObjectPlan, plan_objects
from manga_enrichment.pipeline.log.append import log_entries
from manga_enrichment.pipeline.store.object_keys import forgotten_key, forgotten_prefix

_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Listed:
    """What `forgotten/` says of one subject. requests: digests."""

    key: str
    subject: Subject
    requests: frozenset[str] = frozenset()
    fingerprints: frozenset[str] = frozenset()

    def has(self, request_id: str, ids: Collection[str]) -> bool:
        """Whether a request is to go: one of those that were found now, or then."""
        name = digest(request_id)
        return request_id in ids or name == self.subject.request or name in self.requests


@dataclass(frozen=True, slots=True)
class _Found:
    """All that is to go."""

    traces: Sequence[Trace]
    entries: Mapping[str, LedgerEntry]
    fingerprints: frozenset[str]
    log_keys: Sequence[str]
    silenced: Sequence[str]
    objects: ObjectPlan
    deliveries: Sequence[str]
    letters: Sequence[Message]
    unseen: int

    @property
    def ids(self) -> list[str]:
        return [each.request_id for each in self.traces]


class Forgetting:
    """All methods raise StoreUnavailableError and QueueUnavailableError; what was begun can be done again."""

    def __init__(
        self, *, erasure: Erasure, tables: ObjectStore, ledger: ResultLedger, queues: RequestQueue, clock: Clock
    ) -> None:
        self._erasure = erasure
        self._tables = tables
        self._ledger = ledger
        self._queues = queues
        self._clock = clock

    def partner(self, partner_id: str) -> Subject:
        return Subject(self._clock.now(), partner_id)

    def user(self, user_id: str, partner_id: str = "") -> Subject:
        """Raises LookupError, one sentence, when the partner is not given and not one alone has such a user."""
        now = self._clock.now()
        partners = {partner_id} if partner_id else Finding(self._erasure, now).partners_of_user(user_id)
        if len(partners) != 1:
            named = f"users of {', '.join(sorted(partners))}" if partners else "no user of any stored request"
            raise LookupError(f"{user_id!r} is the id of {named}: say whose user is meant with --partner")
        (partner,) = partners
        return Subject(now, partner, user_digest(partner, user_id))

    def request(self, request_id: str) -> Subject:
        return Subject(self._clock.now(), request=digest(request_id))

    def forget(self, subject: Subject, *, dry_run: bool) -> Receipt:
        """Raises StillWorkedOnError before anything is deleted."""
        name = f"{subject.asked_at:%Y%m%dT%H%M%S%f}-{digest(str(subject.to_document()))[:8]}"
        return self._forget(Listed(forgotten_key(name), subject), dry_run=dry_run)

    def again(self, *, dry_run: bool) -> list[Receipt]:
        """Everything that was ever forgotten, as after a restore: what came back goes again."""
        keys = [key for key in self._tables.list_keys(forgotten_prefix()) if not is_of_editor(key)]
        listed = [_listed(key, document) for key in keys if (document := self._tables.read_json(key)) is not None]
        return [self._forget(each, dry_run=dry_run) for each in listed]

    def _forget(self, listed: Listed, *, dry_run: bool) -> Receipt:
        found = self._find(listed)
        dead = {letter_trace(letter).request_id for letter in found.letters}  # nobody works at a dead letter
        still_open = [
            each.request_id
            for each in found.traces
            if each.is_open and each.request_id not in dead and digest(each.request_id) not in listed.requests
        ]
        receipt = _receipt(listed, found, still_open, dry_run=dry_run)
        if dry_run or receipt.found_nothing:
            return receipt
        if still_open:
            raise StillWorkedOnError(still_open)
        listing = _document(listed, found)
        self._tables.write_json(listed.key, listing)
        for _ in range(_LOOKS):  # compaction may have copied rows meanwhile
            self._delete(listed, found)
            found = self._find(_listed(listed.key, listing))
            if not (found.objects.own or found.objects.rewrites or found.silenced):
                break
        return receipt

    def _find(self, listed: Listed) -> _Found:
        finding, subject = Finding(self._erasure, self._clock.now()), listed.subject
        traces = finding.chosen(subject, listed.requests)
        own = finding.own_fingerprints(traces) | listed.fingerprints
        entries = self._ledger.get_many(sorted(own)) if own else {}
        payers = {subject.partner_id, *(each.partner_id for each in traces)}
        # The same note of another partner is the same question: who paid for the answer has it.
        foreign = {name for name, entry in entries.items() if entry.provenance.partner_id not in payers}
        own -= foreign - listed.fingerprints
        entries = {name: entry for name, entry in entries.items() if name in own}
        keys = log_keys(self._tables, traces, list(entries.values()))
        ids = frozenset(each.request_id for each in traces)
        letters, unseen = sweep(self._queues, self._clock, lambda each: _takes(listed, ids, each), delete=False)
        return _Found(
            traces=traces,
            entries=entries,
            fingerprints=frozenset(own),
            log_keys=keys,
            silenced=with_words(self._tables, keys, own),
            objects=plan_objects(self._erasure, lambda each: listed.has(each, ids), subject, finding.still_open),
            deliveries=self._deliveries(listed, ids),
            letters=letters,
            unseen=unseen,
        )

    def _deliveries(self, listed: Listed, ids: Collection[str]) -> list[str]:
        subject = listed.subject
        return [
            each.delivery_id
            for each in self._erasure.deliveries()
            if listed.has(each.request_id, ids)
            or (subject.is_partner and each.partner_id == subject.partner_id and each.created_at <= subject.asked_at)
        ]

    def _delete(self, listed: Listed, found: _Found) -> None:
        log_entries(self._tables, found.entries.values())
        words = with_words(self._tables, found.log_keys, found.fingerprints)  # what was just logged speaks, too
        take_words_out(self._erasure, self._tables, words, found.fingerprints)
        self._erasure.delete_entries(found.fingerprints)
        self._erasure.delete_deliveries(found.deliveries)
        sweep(self._queues, self._clock, lambda each: _takes(listed, found.ids, each), delete=True)
        found.objects.apply(self._erasure, self._tables, lambda each: listed.has(each, found.ids))
        self._erasure.delete_rows(found.ids)


def letter_trace(message: Message) -> Trace:
    """What a dead letter tells of its request; it may be anything."""
    parsed = parse_envelope(message.body)
    partner_id = parsed.partner_id or message.group_id.partition(":")[0]
    context = parsed.body.get("context") if isinstance(parsed, Envelope) else None
    user_id = context.get("user_id") if isinstance(context, dict) else None
    return Trace(
        request_id=parsed.request_id or "",
        partner_id=partner_id,
        schema=parsed.schema,
        submitted_at=message.sent_at,
        user=user_digest(partner_id, user_id) if isinstance(user_id, str) else "",
        group=digest(message.group_id),
    )


def _takes(listed: Listed, ids: Collection[str], message: Message) -> bool:
    trace = letter_trace(message)
    return listed.subject.takes(trace) or (bool(trace.request_id) and listed.has(trace.request_id, ids))


def _receipt(listed: Listed, found: _Found, still_open: Sequence[str], *, dry_run: bool) -> Receipt:
    rewritten = [each for each in found.objects.rewrites if each.document is not None or not each.is_current]
    gone = Receipt(
        subject=listed.subject.to_document(),
        dry_run=dry_run,
        requests=found.ids,
        objects=found.objects.keys(),
        object_versions=len(found.objects.own) + sum(len(each.outdated) for each in found.objects.rewrites),
        rewritten=sorted(each.key for each in rewritten),
        silenced=found.silenced,
        status_rows=sum(each.has_row for each in found.traces),
        deliveries=sorted(found.deliveries),
        ledger_entries=sorted(found.entries),
        dead_letters=[f"{each.queue} {each.message_id}" for each in found.letters],
        unseen_dead_letters=found.unseen,
        still_open=still_open,
    )
    return gone if dry_run or gone.found_nothing else replace(gone, listed_as=listed.key)


def _document(listed: Listed, found: _Found) -> dict[str, Any]:
    return {
        "subject": listed.subject.to_document(),
        "requests": sorted(listed.requests | {digest(each) for each in found.ids}),
        "fingerprints": sorted(listed.fingerprints | found.fingerprints),
    }


def _listed(key: str, document: Mapping[str, Any]) -> Listed:
    subject = document["subject"]
    asked_at = datetime.fromisoformat(subject["asked_at"])
    return Listed(
        key,
        Subject(**{**subject, "asked_at": asked_at}),
        frozenset(document["requests"]),
        frozenset(document["fingerprints"]),
    )
