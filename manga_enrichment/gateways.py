"""Protocols that the pipeline talks through; `aws/` implements them, tests have small fakes.

One contract suite (`manga_enrichment_tests/contracts/`) runs against each fake and its real gateway. Methods are
synchronous and take many items at once where AWS does; the engine calls them from worker threads.
"""

from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.answers import ClaimResult, LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ModelError
from manga_enrichment.domain.prompts.prompt import Prompt

_T = TypeVar("_T")


class Clock(Protocol):
    """Time as an argument, and the event loop that waits for it."""

    def now(self) -> datetime:
        """The current moment, UTC-aware."""
        ...

    def monotonic_seconds(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """`asyncio.run` on an event loop in which `sleep` works; from a thread without a running one."""
        ...


@dataclass(frozen=True, slots=True)
class Repair:
    """A second chance after an answer that broke the schema: what was said and what is wrong with it."""

    answer: Mapping[str, Any]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request.

    max_tokens overrides the prompt's own limit after a `max_tokens` stop. cache_prefix asks for prompt caching of what
    is the same for every title.
    """

    model: ModelSpec
    prompt: Prompt
    max_tokens: int
    repair: Repair | None = None
    cache_prefix: bool = False


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A complete reply. answer is None when the model gave no JSON object."""

    stop_reason: str
    answer: Mapping[str, Any] | None
    usage: Usage
    text: str = ""


class FoundationModel(Protocol):
    """A model that answers prompts."""

    async def converse(self, request: ModelRequest) -> ModelReply:
        """One attempt, never retried below this line.

        Raises ModelError, classified, when no complete reply with usage came.
        """
        ...

    async def check_reachable(self) -> None:
        """Raises ConfigurationError when nothing answers at the endpoint; bills nothing.

        Asked once before the first call: an endpoint that was never there is a wrong setting, not an outage to wait
        out.
        """
        ...

    async def refresh_credentials(self) -> None: ...

    async def close(self) -> None: ...


class BatchUnavailableError(Exception):
    """Batch inference takes no job or gives no word for now: too many jobs, throttled, unreachable. Try again later."""


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """One batch job to be made. The token makes ordering it twice the same as once. Keys are object keys."""

    token: str
    name: str
    model_id: str
    input_key: str
    output_prefix: str
    timeout_hours: int


@dataclass(frozen=True, slots=True)
class BatchState:
    """What is known of a job. status: a `JobStatus`, or a newer word. ended_at: None while it works."""

    status: str
    message: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchReply:
    """What became of one record: a complete reply, or why there is none."""

    record_id: str
    reply: ModelReply | None = None
    error: ModelError | None = None


class BatchInference(Protocol):
    """Asks for many answers in one job, at half the price and in its own time."""

    def upload(self, key: str, records: Iterable[tuple[str, ModelRequest]]) -> None:
        """Write (record id, request) pairs as the input of a job. The same key is replaced."""
        ...

    def create(self, order: BatchOrder) -> str:
        """The job's id; of the job that is there already when the token was used before.

        Raises BatchUnavailableError, ConfigurationError when the job can never be made like this.
        """
        ...

    def find(self, name: str) -> str | None:
        """The id of the newest job with this name. Raises BatchUnavailableError."""
        ...

    def state(self, job_id: str) -> BatchState:
        """A job that nobody knows any more has Failed. Raises BatchUnavailableError."""
        ...

    def replies(self, output_prefix: str, job_id: str) -> Iterator[BatchReply]:
        """Whatever the job has written, in any order, read as it is consumed. Raises BatchUnavailableError."""
        ...


class LedgerUnavailableError(Exception):
    """The ledger could not be read or written although the gateway retried."""


class ResultLedger(Protocol):
    """Every answer ever paid for, by fingerprint. All methods raise LedgerUnavailableError."""

    def get_many(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        """Entries that exist; claims are not entries."""
        ...

    def claim_many(self, fingerprints: Sequence[str], owner: str, now: datetime, until: datetime) -> ClaimResult:
        """Take the right to ask. A claim of the same owner is renewed; one past its time is taken over."""
        ...

    def put_many(self, entries: Sequence[LedgerEntry], spender: str) -> dict[str, LedgerEntry]:
        """Put if absent and book the cost on `spender` in the same transaction.

        Returns what now stands for each fingerprint: the given entry, or the one that was there first.
        """
        ...

    def release_many(self, fingerprints: Sequence[str], owner: str) -> None:
        """Give up own claims so that another run need not wait for them to run out."""
        ...


@dataclass(frozen=True, slots=True)
class BudgetScope:
    """One cap: a counter and its limit in micro-dollars."""

    counter: str
    limit_micro_usd: int


class BudgetStore(Protocol):
    """Counters of committed money. committed = spent + reserved by live spenders."""

    def reserve(
        self, scopes: Sequence[BudgetScope], spender: str, amount_micro_usd: int, lease_until: datetime
    ) -> bool:
        """Add the amount to every scope, or to none when one would pass its limit."""
        ...

    def spend(self, spender: str, amount_micro_usd: int) -> None:
        """Book spend that has no ledger entry (a lost answer that may be billed)."""
        ...

    def renew(self, spender: str, lease_until: datetime) -> None: ...

    def close(self, spender: str) -> None:
        """Move the spender's actual spend into its counters and give back what it did not use. Idempotent."""
        ...

    def close_abandoned(self, counters: Sequence[str], now: datetime) -> list[str]:
        """Close spenders whose lease ran out (killed runs); returns their names."""
        ...

    def spent(self, counter: str) -> tuple[int, int]:
        """(committed, spent) micro-dollars of a counter; zeros when it does not exist."""
        ...


class WriteConflictError(Exception):
    """Another writer replaced the object since it was read."""


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table object and the version tag its next writer must present."""

    table: pa.Table
    etag: str


class TableStore(Protocol):
    """Parquet objects and small documents, each replaced whole or not at all."""

    def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
        """The object at `key`, None when there is none."""
        ...

    def write(self, key: str, table: pa.Table, *, expected_etag: str | None = None, new: bool = False) -> str:
        """Put one object and return its etag.

        expected_etag: only over that version; new: only where nothing stands. Raises WriteConflictError.
        """
        ...

    def read_json(self, key: str) -> dict[str, Any] | None: ...

    def write_json(self, key: str, document: Mapping[str, Any], *, new: bool = False) -> None: ...

    def read_text(self, key: str) -> str | None: ...

    def write_text(self, key: str, text: str, *, content_type: str) -> None:
        """A document for people, in UTF-8. content_type: without the charset, such as `text/html`."""
        ...

    def list_keys(self, prefix: str) -> list[str]: ...

    def uri(self, key: str) -> str: ...


class CatalogSource(Protocol):
    """Where the catalog comes from."""

    @property
    def uri(self) -> str: ...

    def version(self) -> str:
        """Changes when the source changes. Raises ConfigurationError naming the path when unreadable."""
        ...

    def local_copy(self) -> AbstractContextManager[Path]:
        """The source as a local file for the time of a `with` block."""
        ...


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """How the last work on one (analysis, bucket) ended."""

    analysis: str
    bucket: str
    status: str
    run_id: str
    trigger: str
    updated_at: datetime
    counts: Mapping[str, int]
    cost_micro_usd: int
    error_class: str = ""


class StatusStore(Protocol):
    """States of requests and partitions."""

    def put_partition(self, status: PartitionStatus) -> None: ...

    def partitions(self, analysis: str, buckets: Sequence[str]) -> Iterator[PartitionStatus]: ...
