"""Ledger entries as DynamoDB items and back. Pure functions of dictionaries.

One item is either an answer (attribute `entry`, JSON) or a claim (attributes `claim_owner`, `claim_until_ms`,
`at_stake_micro_usd` and `asked`, JSON, of which claims of older versions lack the last or both).
The attributes beside `entry` are for people who look at the table; the code reads only `entry`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import TypeAdapter

from manga_enrichment.domain.operations.retention import ledger_retention
from manga_enrichment.domain.outcomes.answers import AbandonedClaim, Asked, LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ErrorClass

MAX_FREE_ATTEMPTS = 100
"""Of the attempts that cost nothing. A title that was throttled for hours has hundreds, and an item ends at 400 KB."""

_CLAIM_RETENTION_SECONDS = 30 * 24 * 3600
_ENTRY = TypeAdapter(LedgerEntry)
_ASKED = TypeAdapter(Asked)
_REASONS = frozenset([None, *ErrorClass])


def storable(entry: LedgerEntry) -> LedgerEntry:
    """The entry with no more attempts than an item holds: all that cost something, the first and last of the others.

    `Attempt.number` still tells how many there were.
    """
    free = [attempt.number for attempt in entry.attempts if not attempt.cost_micro_usd]
    left_out = frozenset(free[MAX_FREE_ATTEMPTS // 2 : -MAX_FREE_ATTEMPTS // 2])
    if not left_out:
        return entry
    return replace(entry, attempts=tuple(attempt for attempt in entry.attempts if attempt.number not in left_out))


def entry_item(entry: LedgerEntry, retention: timedelta) -> dict[str, Any]:
    """The item of an answer; `expires_at` is DynamoDB's TTL attribute in epoch seconds.

    retention: of an answer about a title; a conversation ends with its session's history.
    """
    kept = ledger_retention(entry.analysis, retention)
    return {
        "fingerprint": {"S": entry.fingerprint},
        "entry": {"S": orjson.dumps(entry).decode()},
        "analysis": {"S": entry.analysis},
        "manga_id": {"S": entry.manga_id},
        "outcome": {"S": entry.outcome.value},
        "model_id": {"S": entry.model_id},
        "cost_micro_usd": {"N": str(entry.cost_micro_usd)},
        "run_id": {"S": entry.provenance.run_id},
        "created_at": {"S": entry.created_at.isoformat()},
        "expires_at": {"N": str(int((entry.created_at + kept).timestamp()))},
    }


def entry_from_item(item: Mapping[str, Any], now: datetime) -> LedgerEntry | None:
    """The answer in an item; None for a claim, for an item past its TTL (DynamoDB deletes those late), and for a
    failure that is doubtful."""
    if "entry" not in item or int(item["expires_at"]["N"]) <= now.timestamp():
        return None
    entry = _stored_entry(item)
    return None if entry.is_doubtful else entry


def _stored_entry(item: Mapping[str, Any]) -> LedgerEntry:
    entry = {"memory": 0, **orjson.loads(item["entry"]["S"])}
    return _ENTRY.validate_python({**entry, "attempts": list(map(_readable, entry.get("attempts", ())))})


def _readable(attempt: Mapping[str, Any]) -> Mapping[str, Any]:
    """With a reason that we know: after a rollback a newer version's answers are found, whatever came before them."""
    reason = attempt.get("error_class")
    if reason in _REASONS:
        return attempt
    return {**attempt, "error_class": ErrorClass.STOPPED, "message": f"{reason}: {attempt.get('message', '')}"}


def claim_item(
    fingerprint: str, owner: str, until: datetime, at_stake_micro_usd: int, asked: Asked | None = None
) -> dict[str, Any]:
    """Kept for a while after it ran out: whoever takes it over is to know what it may have cost."""
    return {
        **({"asked": {"S": orjson.dumps(asked).decode()}} if asked else {}),
        "fingerprint": {"S": fingerprint},
        "claim_owner": {"S": owner},
        "claim_until_ms": {"N": epoch_ms(until)},
        "at_stake_micro_usd": {"N": str(at_stake_micro_usd)},
        "expires_at": {"N": str(int(until.timestamp()) + _CLAIM_RETENTION_SECONDS)},
    }


def with_lost(claim: Mapping[str, Any], left: Mapping[str, Any], lost_micro_usd: int) -> dict[str, Any]:
    """A claim that takes over the item that another run left, with what that one may have paid."""
    stake = int(claim["at_stake_micro_usd"]["N"]) + lost_micro_usd
    asked = {"asked": left["asked"]} if "asked" in left else {}
    return {**asked, **claim, "at_stake_micro_usd": {"N": str(stake)}}


def abandoned_claim(item: Mapping[str, Any], now: datetime) -> AbandonedClaim | None:
    """The claim in an item when it is past its time, has something at stake and says what it was for."""
    if not is_abandoned(item, now) or not at_stake_micro_usd(item) or "asked" not in item:
        return None
    return AbandonedClaim(item["fingerprint"]["S"], at_stake_micro_usd(item), _ASKED.validate_json(item["asked"]["S"]))


def is_abandoned(item: Mapping[str, Any], now: datetime) -> bool:
    """Whether an item is a claim past its time."""
    return "claim_until_ms" in item and int(item["claim_until_ms"]["N"]) < int(epoch_ms(now))


def at_stake_micro_usd(claim: Mapping[str, Any]) -> int:
    """What may have been billed should its owner have vanished."""
    return int(claim.get("at_stake_micro_usd", {"N": "0"})["N"])


def epoch_ms(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))
