"""Small honest stand-ins for every gateway: same contract as the real one, kept in memory.

Honest means that `contracts/` runs the same tests over each of them and over the real gateway. All may be shared
between threads. `FakeClock` and `ScriptedModel` live in modules of their own and are offered here as well.
"""

import hashlib
import io
import json
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manga_enrichment.domain.operations.retention import ledger_retention
from manga_enrichment.domain.outcomes.answers import AbandonedClaim, Asked, ClaimResult, LedgerEntry
from manga_enrichment.domain.trials.canary import Canary
from manga_enrichment.gateways.budget import SPENDER_LINGER, Brake, BudgetScope
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import SpenderClosedError, StoreUnavailableError, WriteConflictError
from manga_enrichment.gateways.ledger import NOTHING_SAID
from manga_enrichment.gateways.objects import Rows, StoredDocument, StoredFile, StoredTable
from manga_enrichment.gateways.senders import Learned, Sender
from manga_enrichment.gateways.status import PartitionStatus
from manga_enrichment_tests.fake_clock import START, FakeClock
from manga_enrichment_tests.scripted_model import DEFAULT_USAGE, ScriptedModel, Sent, Step, valid_answer

__all__ = [
    "DEFAULT_USAGE",
    "START",
    "FakeClock",
    "MemoryBudget",
    "MemoryLedger",
    "MemorySenders",
    "MemoryStatus",
    "MemoryTables",
    "ScriptedModel",
    "Sent",
    "Step",
    "valid_answer",
]

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Counter:
    committed: int = 0
    spent: int = 0
    spenders: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Spender:
    reserved: int = 0
    spent: int = 0
    counters: set[str] = field(default_factory=set)
    lease_until: datetime = _NEVER
    settled: int | None = None  # the part of `spent` that the counters know; None while open


class MemoryBudget:
    """BudgetStore."""

    def __init__(self) -> None:
        self._counters: dict[str, _Counter] = {}
        self._spenders: dict[str, _Spender] = {}
        self._brake: Brake | None = None
        self._lock = threading.RLock()

    def reserve(
        self, scopes: Sequence[BudgetScope], spender: str, amount_micro_usd: int, lease_until: datetime
    ) -> bool:
        with self._lock:
            named = self._spenders.get(spender, _Spender())
            if named.settled is not None:
                raise SpenderClosedError(spender)
            if any(self.spent(scope.counter)[0] + amount_micro_usd > scope.limit_micro_usd for scope in scopes):
                return False
            self._spenders[spender] = named
            named.reserved += amount_micro_usd
            named.lease_until = lease_until
            for scope in scopes:
                counter = self._counters.setdefault(scope.counter, _Counter())
                counter.committed += amount_micro_usd
                counter.spenders.add(spender)
                named.counters.add(scope.counter)
            return True

    def spend(self, spender: str, amount_micro_usd: int) -> None:
        with self._lock:
            self._spenders.setdefault(spender, _Spender()).spent += amount_micro_usd

    def book_once(self, name: str, counters: Sequence[str], amount_micro_usd: int, now: datetime) -> None:
        with self._lock:
            if name in self._spenders:
                return
            self._spenders[name] = _Spender(spent=amount_micro_usd, settled=amount_micro_usd)
            for each in counters:
                counter = self._counters.setdefault(each, _Counter())
                counter.committed += amount_micro_usd
                counter.spent += amount_micro_usd

    def renew(self, spender: str, lease_until: datetime) -> None:
        with self._lock:
            named = self._spenders.get(spender)
            if named is not None and named.counters and named.settled is None:
                named.lease_until = lease_until

    def close(self, spender: str, *, stays: bool = False) -> None:
        with self._lock:
            named = self._spenders.get(spender)
            if named is None:
                return
            known = named.reserved if named.settled is None else named.settled
            for name in named.counters:
                counter = self._counters[name]
                counter.committed += named.spent - known
                counter.spent += named.spent - (named.settled or 0)
                if not stays:
                    counter.spenders.discard(spender)
            named.settled = named.spent

    def abandoned(self, counters: Sequence[str], now: datetime) -> list[str]:
        with self._lock:
            names = [name for counter in counters for name in sorted(self._counters.get(counter, _Counter()).spenders)]
            return [name for name in dict.fromkeys(names) if self._spenders[name].lease_until < now]

    def close_abandoned(self, counters: Sequence[str], now: datetime, swept: Collection[str] = ()) -> list[str]:
        with self._lock:
            over = self.abandoned(counters, now)
            closed = [name for name in over if self._spenders[name].settled != self._spenders[name].spent]
            for name in over:
                lingers = now - self._spenders[name].lease_until <= SPENDER_LINGER
                self.close(name, stays=lingers or name not in swept)
            return closed

    def spent(self, counter: str) -> tuple[int, int]:
        with self._lock:
            found = self._counters.get(counter, _Counter())
            return found.committed, found.spent

    def brake(self) -> Brake | None:
        return self._brake

    def put_brake_on(self, brake: Brake) -> Brake:
        with self._lock:
            self._brake = self._brake or brake
            return self._brake

    def take_brake_off(self) -> Brake | None:
        with self._lock:
            was, self._brake = self._brake, None
            return was


class MemorySenders:
    """SenderTable. is_away: every use says so."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Sender]] = defaultdict(dict)
        self.learned: dict[str, Learned] = {}
        self.is_away = False
        self._lock = threading.RLock()

    def write(self, quota: str, sender: Sender) -> None:
        self._reached()
        with self._lock:
            self.items[quota][sender.name] = sender

    def read(self, quota: str) -> tuple[list[Sender], Learned | None]:
        self._reached()
        with self._lock:
            return list(self.items[quota].values()), self.learned.get(quota)

    def learn(self, quota: str, learned: Learned) -> None:
        self._reached()
        self.learned[quota] = learned

    def clear(self, quota: str, sender: Sender) -> None:
        self._reached()
        with self._lock:
            if self.items[quota].get(sender.name) == sender:
                del self.items[quota][sender.name]

    def _reached(self) -> None:
        if self.is_away:
            raise StoreUnavailableError("the table of senders is away")


@dataclass(frozen=True, slots=True)
class _Claim:
    owner: str
    until: datetime
    at_stake_micro_usd: int
    asked: Asked | None = None


class MemoryLedger:
    """ResultLedger. `failures_left` counts down: that many next calls raise StoreUnavailableError."""

    def __init__(self, clock: Clock, budget: MemoryBudget, *, retention: timedelta = timedelta(days=730)) -> None:
        self._clock = clock
        self._budget = budget
        self._retention = retention
        self._entries: dict[str, LedgerEntry] = {}
        self._claims: dict[str, _Claim] = {}
        self._lock = threading.RLock()
        self.failures_left = 0

    @property
    def entries(self) -> dict[str, LedgerEntry]:
        """All that is kept, by fingerprint."""
        return dict(self._entries)

    @property
    def claimed(self) -> dict[str, str]:
        """Owner of each open claim, by fingerprint."""
        return {fingerprint: claim.owner for fingerprint, claim in self._claims.items()}

    @property
    def at_stake(self) -> dict[str, int]:
        """What each open claim says may be billed, in micro-dollars, by fingerprint."""
        return {fingerprint: claim.at_stake_micro_usd for fingerprint, claim in self._claims.items()}

    def get_many(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        with self._lock:
            self._fail_if_told()
            found = ((fingerprint, self._live(fingerprint, self._clock.now())) for fingerprint in fingerprints)
            return {fingerprint: entry for fingerprint, entry in found if entry is not None}

    def claim_many(
        self,
        at_stake: Mapping[str, int],
        owner: str,
        now: datetime,
        until: datetime,
        asked: Mapping[str, Asked] = NOTHING_SAID,
    ) -> ClaimResult:
        with self._lock:
            self._fail_if_told()
            granted, answered, contended, lost = set(), {}, set(), {}
            for fingerprint, own in at_stake.items():
                entry = self._live(fingerprint, now)
                claim = self._claims.get(fingerprint)
                if entry is not None:
                    answered[fingerprint] = entry
                elif claim is not None and claim.owner != owner and claim.until >= now:
                    contended.add(fingerprint)
                else:
                    left = claim.at_stake_micro_usd if claim is not None and claim.owner != owner else 0
                    if left:
                        lost[fingerprint] = left
                    why = asked.get(fingerprint) or (claim.asked if claim is not None and left else None)
                    self._claims[fingerprint] = _Claim(owner, until, own + left, why)
                    self._entries.pop(fingerprint, None)
                    granted.add(fingerprint)
            return ClaimResult(frozenset(granted), answered, frozenset(contended), lost)

    def put_many(self, entries: Sequence[LedgerEntry], spender: str | None) -> dict[str, LedgerEntry]:
        with self._lock:
            self._fail_if_told()
            stands = {}
            for entry in entries:
                there = self._live(entry.fingerprint, self._clock.now())
                if there is None:
                    self._entries[entry.fingerprint] = entry
                    self._claims.pop(entry.fingerprint, None)
                if there != entry and spender is not None:
                    self._budget.spend(spender, entry.cost_micro_usd)
                stands[entry.fingerprint] = there or entry
            return stands

    def left_behind(self, run_ids: Collection[str], now: datetime) -> Iterator[LedgerEntry | AbandonedClaim]:
        with self._lock:
            self._fail_if_told()
            live = [self._live(fingerprint, now) for fingerprint in self._entries]
            claims = dict(self._claims)
        yield from (each for each in live if each is not None and each.provenance.run_id in run_ids)
        for fingerprint, claim in claims.items():
            if claim.until < now and claim.at_stake_micro_usd and claim.asked is not None:
                yield AbandonedClaim(fingerprint, claim.at_stake_micro_usd, claim.asked)

    def release_many(self, fingerprints: Sequence[str], owner: str) -> None:
        with self._lock:
            self._fail_if_told()
            for fingerprint in fingerprints:
                claim = self._claims.get(fingerprint)
                if claim is not None and claim.owner == owner:
                    del self._claims[fingerprint]

    def forget(self, fingerprint: str) -> None:
        """Delete an answer; a claim stays."""
        with self._lock:
            self._entries.pop(fingerprint, None)

    def _live(self, fingerprint: str, now: datetime) -> LedgerEntry | None:
        entry = self._entries.get(fingerprint)
        if entry is None or entry.is_doubtful:
            return None
        return entry if entry.created_at + ledger_retention(entry.analysis, self._retention) > now else None

    def _fail_if_told(self) -> None:
        if self.failures_left > 0:
            self.failures_left -= 1
            raise StoreUnavailableError("the fake ledger was told to fail")


class MemoryTables:
    """ObjectStore. Objects are kept as bytes, so what is read went through Parquet as in production."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
        body = self.objects.get(key)
        if body is None:
            return None
        if columns is not None:
            names = set(pq.read_schema(pa.BufferReader(body)).names)
            columns = [each for each in columns if each in names]
        return StoredTable(pq.read_table(pa.BufferReader(body), columns=columns), _etag(body))

    def open(self, key: str) -> StoredFile | None:
        body = self.objects.get(key)
        return None if body is None else StoredFile(pq.ParquetFile(pa.BufferReader(body)), _etag(body))

    def write(self, key: str, table: Rows, *, expected_etag: str | None = None, new: bool = False) -> str:
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
            for rows in [table] if isinstance(table, pa.Table) else table:
                writer.write(rows)
        return self._put(key, sink.getvalue(), expected_etag=expected_etag, new=new)

    def read_json(self, key: str) -> dict[str, Any] | None:
        found = self.read_document(key)
        return None if found is None else found.document

    def read_document(self, key: str) -> StoredDocument | None:
        body = self.objects.get(key)
        return None if body is None else StoredDocument(dict(json.loads(body)), _etag(body))

    def write_json(
        self,
        key: str,
        document: Mapping[str, Any],
        *,
        expected_etag: str | None = None,
        new: bool = False,
        kept_as: str = "",
    ) -> None:
        body = json.dumps(dict(document)).encode()
        self._put(key, body, expected_etag=expected_etag, new=new, kept_as=kept_as)

    def read_text(self, key: str) -> str | None:
        body = self.objects.get(key)
        return None if body is None else body.decode()

    def write_text(self, key: str, text: str, *, content_type: str) -> None:
        self._put(key, text.encode())

    def list_keys(self, prefix: str) -> list[str]:
        return sorted(key for key in list(self.objects) if key.startswith(prefix))

    def delete(self, key: str) -> None:
        with self._lock:
            self.objects.pop(key, None)

    def uri(self, key: str) -> str:
        return f"memory://tables/{key}"

    def _put(
        self, key: str, body: bytes, *, expected_etag: str | None = None, new: bool = False, kept_as: str = ""
    ) -> str:
        """kept_as: for those who age objects (`versioned_tables.py`)."""
        with self._lock:
            there = self.objects.get(key)
            if (expected_etag is not None and (there is None or _etag(there) != expected_etag)) or (
                expected_etag is None and new and there is not None
            ):
                raise WriteConflictError(f"{self.uri(key)} was replaced by another writer")
            self.objects[key] = body
            return _etag(body)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


class MemoryStatus:
    """StatusStore."""

    def __init__(self) -> None:
        self._partitions: dict[tuple[str, str], PartitionStatus] = {}
        self._canaries: dict[str, Canary] = {}

    def put_partition(self, status: PartitionStatus) -> None:
        self._partitions[status.analysis, status.bucket] = status

    def partitions(self, analysis: str, buckets: Sequence[str]) -> Iterator[PartitionStatus]:
        for bucket in buckets:
            status = self._partitions.get((analysis, bucket))
            if status is not None:
                yield status

    def canary(self, analysis: str) -> Canary | None:
        return self._canaries.get(analysis)

    def put_canary(self, canary: Canary) -> None:
        self._canaries[canary.analysis] = canary

    def judge_canary(self, canary: Canary) -> bool:
        known = self._canaries.get(canary.analysis)
        if known is None or known.started_at != canary.started_at:
            return False
        self._canaries[canary.analysis] = canary
        return True
