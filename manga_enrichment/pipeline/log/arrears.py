"""Arrears on S3: answers and money that a run could not put into DynamoDB, put there by whoever comes next.

Belongs here: keeping them, settling them, in steps of which each may be repeated or cut off. Stays out: what they are
(`pipeline/engine/arrears.py`).

The money goes to the counters once for each name, so two runs that settle the same, or one that is killed in between,
book nothing twice. An answer that reached the ledger after all, when only the word of it was lost, was booked then.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.arrears import Arrears
from manga_enrichment.pipeline.log.append import log_entries
from manga_enrichment.pipeline.store.object_keys import arrears_key, arrears_prefix

_SETTLED: Mapping[str, Any] = {}
_ARREARS = TypeAdapter(Arrears)

_log = logging.getLogger(__name__)


def keep_arrears(tables: ObjectStore, arrears: Arrears) -> None:
    """Written down, and the answers' attempts logged, as they will be once more when they are settled."""
    tables.write_json(arrears_key(arrears.name), _ARREARS.dump_python(arrears, mode="json"))
    log_entries(tables, arrears.entries)


def settle_arrears(tables: ObjectStore, ledger: ResultLedger, budget: BudgetStore, now: datetime) -> int:
    """Before anything is asked or reconciled. Returns how many answers came to the ledger.

    Raises StoreUnavailableError, ConfigurationError; then they stay for the next.
    """
    answers = 0
    for key in tables.list_keys(arrears_prefix()):
        document = tables.read_json(key)
        if not document:
            continue
        try:
            arrears = _ARREARS.validate_python(document)
        except ValidationError as error:
            _log.error("%s cannot be read and is left as it is: %s", tables.uri(key), error)
            continue
        _settle(arrears, tables, ledger, budget, now)
        tables.write_json(key, _SETTLED)
        answers += len(arrears.entries)
    return answers


def _settle(arrears: Arrears, tables: ObjectStore, ledger: ResultLedger, budget: BudgetStore, now: datetime) -> None:
    there = ledger.get_many([entry.fingerprint for entry in arrears.entries]) if arrears.entries else {}
    missing = [entry for entry in arrears.entries if not _is_same(entry, there.get(entry.fingerprint))]
    cost = arrears.micro_usd + sum(entry.cost_micro_usd for entry in missing)
    if cost:
        budget.book_once(arrears.name, arrears.counters, cost, now)
    ledger.put_many(missing, None)
    log_entries(tables, arrears.entries)
    if arrears.claims:
        ledger.release_many(arrears.claims, arrears.claimant)


def _is_same(entry: LedgerEntry, there: LedgerEntry | None) -> bool:
    """The ledger may have fewer of its attempts."""
    return there is not None and (there.provenance, there.created_at) == (entry.provenance, entry.created_at)
