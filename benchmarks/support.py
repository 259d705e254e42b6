"""What the benchmarks share: calls made from fictional titles, an engine, a ledger that forgets, other commits."""

import random
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import count
from pathlib import Path

from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.outcomes.answers import AbandonedClaim, Asked, ClaimResult, LedgerEntry, Provenance
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.gateways.budget import Brake, BudgetScope, BudgetStore
from manga_enrichment.gateways.ledger import NOTHING_SAID, ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.local.sample_catalog import generate
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.calls import Call, EngineSettings
from manga_enrichment.pipeline.engine.engine import Engine
from manga_enrichment.pipeline.engine.money.budget import NO_CAPS, RunBudget, scopes_of
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment.runtime.clock import SystemClock

REPOSITORY = Path(__file__).resolve().parents[1]
ANALYSIS = packaged_analyses().get("genre_classification")
MODEL = load_models().resolve(ANALYSIS.model_alias)
SYNOPSIS_CHARACTERS = 1_500
RECORDS = 3_000
RETENTION = timedelta(days=1)


def calls(name: str) -> Iterator[Call]:
    """Calls without end, each made when it is wanted, as a run makes them. No two names have a title in common."""
    records = _records()
    for number in count():
        like = records[number % len(records)]
        yield _call(replace(like, manga_id=f"{name}-{number}"))


@cache
def _records() -> list[MangaRecord]:
    """Titles with a synopsis of 1,500 characters, half of them Japanese; more than any cache of ours holds."""
    cleaned = (clean_row(title.row, 0) for title in generate(RECORDS * 2, seed=1))
    records = [_longer(record) for record in cleaned if isinstance(record, MangaRecord)]
    return records[:RECORDS]


def _longer(record: MangaRecord) -> MangaRecord:
    text = f"{record.title}. {record.synopsis or 'A quiet story about a small town and its people.'} "
    return MangaRecord(record.manga_id, record.title, synopsis=(text * 40)[:SYNOPSIS_CHARACTERS])


def _call(record: MangaRecord) -> Call:
    return build_call(Question(ANALYSIS, MODEL, title_inputs(ANALYSIS, record)), "0")


def engine(
    model: FoundationModel, ledger: ResultLedger, budget: BudgetStore, limiter: RateLimiter, concurrency: int, name: str
) -> Engine:
    clock = SystemClock()
    provenance = Provenance(name, clock.now().date().isoformat(), "benchmark")
    return Engine(
        model=model,
        ledger=ledger,
        budget=RunBudget(budget, scopes_of(provenance, NO_CAPS), name, clock),
        limiter=limiter,
        clock=clock,
        rng=random.Random(name),
        provenance=provenance,
        settings=EngineSettings(concurrency=concurrency, deadline_seconds=600),
    )


@contextmanager
def checked_out(commit: str, tree: Path) -> Iterator[Path]:
    """A commit of this repository in a folder of its own."""
    git = partial(subprocess.run, cwd=REPOSITORY, check=True, stdout=sys.stderr)
    git(["git", "worktree", "add", "--quiet", "--detach", str(tree), commit])
    try:
        yield tree
    finally:
        git(["git", "worktree", "remove", "--force", str(tree)])


class ForgetfulLedger:
    """Grants every claim and keeps nothing: the engine's own cost, without DynamoDB's."""

    def get_many(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        return {}

    def claim_many(
        self,
        at_stake: Mapping[str, int],
        owner: str,
        now: datetime,
        until: datetime,
        asked: Mapping[str, Asked] = NOTHING_SAID,
    ) -> ClaimResult:
        return ClaimResult(granted=frozenset(at_stake))

    def put_many(self, entries: Sequence[LedgerEntry], spender: str | None) -> dict[str, LedgerEntry]:
        return {entry.fingerprint: entry for entry in entries}

    def left_behind(self, run_ids: Collection[str], now: datetime) -> Iterator[LedgerEntry | AbandonedClaim]:
        return iter(())

    def release_many(self, fingerprints: Sequence[str], owner: str) -> None:
        """There is nothing to release."""


class BoundlessBudget:
    """Every reservation is granted."""

    def reserve(
        self,
        scopes: Sequence[BudgetScope],
        spender: str,
        amount_micro_usd: int,
        lease_until: datetime,
    ) -> bool:
        return True

    def spend(self, spender: str, amount_micro_usd: int) -> None:
        """Not counted."""

    def book_once(self, name: str, counters: Sequence[str], amount_micro_usd: int, now: datetime) -> None:
        """Nothing is counted."""

    def renew(self, spender: str, lease_until: datetime) -> None:
        """Never runs out."""

    def close(self, spender: str) -> None:
        """Nothing to settle."""

    def abandoned(self, counters: Sequence[str], now: datetime) -> list[str]:
        return []

    def close_abandoned(self, counters: Sequence[str], now: datetime, swept: Collection[str] = ()) -> list[str]:
        return []

    def spent(self, counter: str) -> tuple[int, int]:
        return 0, 0

    def brake(self) -> Brake | None:
        return None

    def put_brake_on(self, brake: Brake) -> Brake:
        return brake

    def take_brake_off(self) -> Brake | None:
        return None
