"""What a run was told of what it planned: entries that its ops kept, or the ledger has, and attempts without one.

Belongs here: finding them for some planned titles at a time, and seeing that all of them are logged. Stays out: what is
made of them (`bucket_write.py`, `write.py`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore, TableOpener
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.log.append import log_entries, log_rows
from manga_enrichment.pipeline.log.kept_entries import open_kept
from manga_enrichment.pipeline.log.unledgered import read_unledgered

_LOGGED_AT_ONCE = 10_000


class Told:
    """Of one bucket. flush is to be called before anything is put that rests on the entries."""

    def __init__(
        self,
        tables: ObjectStore,
        ledger: ResultLedger,
        run: Provenance,
        bucket: str,
        asked: Counter[str],
        own: str,
        kept: TableOpener | None = None,
    ) -> None:
        """asked: planned calls by analysis. own: whose attempts count in any case; of others those of calls that the
        ledger has nothing of. kept: what entries that ops kept are read from, if not from `tables`."""
        self._tables, self._ledger, self._run = tables, ledger, run
        self._kept = {name: open_kept(kept or tables, run, name, bucket) for name in sorted(asked)}
        self._unlogged: list[LedgerEntry] = []
        left = {name for name, kept in self._kept.items() if name == own or kept.own < asked[name]}
        self._attempts = read_unledgered(tables, run.run_id, sorted(left), bucket)
        log_rows(tables, run, self._attempts)
        self._by_title: dict[str, list[dict[str, Any]]] = {}
        for row in self._attempts:
            self._by_title.setdefault(row["manga_id"], []).append(row)

    def entries(self, rows: Sequence[PlanRow]) -> dict[str, LedgerEntry]:
        """By fingerprint, of what is planned. What the run's ops kept is not read from the ledger again."""
        found: dict[str, LedgerEntry] = {}
        for name, kept in self._kept.items():
            found |= kept.of([row.manga_id for row in rows if row.analysis == name and row.action is Action.ASK])
        wanted = dict.fromkeys(row.fingerprint for row in rows if row.fingerprint)
        entries = {each: found[each] for each in wanted if each in found}
        if missing := [each for each in wanted if each not in found]:
            others = self._ledger.get_many(missing)
            self._unlogged += others.values()
            if len(self._unlogged) >= _LOGGED_AT_ONCE:
                self.flush()
            entries |= others
        return entries

    def flush(self) -> None:
        """Log what the ledger had under the run that paid."""
        log_entries(self._tables, self._unlogged)
        self._unlogged.clear()

    def attempts(self, rows: Iterable[PlanRow]) -> list[dict[str, Any]]:
        """Of planned titles, oldest first for each analysis."""
        titles = dict.fromkeys(row.manga_id for row in rows)
        return [row for manga_id in titles for row in self._by_title.get(manga_id, ())]

    def attempts_of(self, analysis: str) -> list[dict[str, Any]]:
        return [row for row in self._attempts if row["analysis"] == analysis]
