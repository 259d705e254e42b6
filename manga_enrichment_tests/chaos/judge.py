"""The judge: what the service charged beside what our books say, and what became of every title and request.

Belongs here: reading the books of all sides, the rules, the verdict. Stays out: what happened before
(`night.py`, `drain.py`). It is told nothing by the product but what lies in its tables, log, ledger and counters.

    log - maybe_billed <= meter <= log      in micro-dollars and in calls
    paid twice <= maybe_billed              in calls; none where the model itself was never struck
    counters = log, and every answer of the ledger is in the log
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.engine.money.budget import day_counter
from manga_enrichment.pipeline.health.left_behind import account_for_killed_runs
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import SINGLES
from manga_enrichment_tests.chaos.processes import Ending
from manga_enrichment_tests.end_to_end.books import Books

GRACE_SECONDS = 300.0
"""A run may end so much later than the fault that hit it."""
_DAY = day_counter("")
_COMPLETE = frozenset({Outcome.SUCCEEDED.value, Outcome.INSUFFICIENT_INPUT.value})


@dataclass(frozen=True, slots=True)
class Sum:
    """So many calls, and what they cost."""

    calls: int
    micro_usd: int

    def __str__(self) -> str:
        return f"{self.calls} calls, {self.micro_usd} µUSD"


@dataclass(frozen=True, slots=True)
class Account:
    """All books at one moment.

    log       what the requests log says was billed, with what may have been billed (maybe)
    counted   the day's budget counters; open_micro_usd: what they still hold for spenders that are gone
    answers   fingerprint -> (title, analysis) of the ledger's entries; unlogged: those that the log does not know
    """

    meter: Sum
    log: Sum
    maybe: Sum
    paid_twice: int
    counted_micro_usd: int
    open_micro_usd: int
    answers: Mapping[str, tuple[str, str]]
    unlogged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a cell ended with. account: after healing.

    struck    requests or connections that the fault has hit
    model_struck  the model is what was struck: only then may an answer be lost on its way
    lost      titles without outcome, answers without row, requests that never ended: each in words
    unhealed  titles and requests that are still waiting after the fault is long over
    needless  calls of the healing run for what was answered already
    broken    what the cell promises beside all that and did not keep, in words
    """

    struck: int
    seconds: float
    ending: Ending
    account: Account
    lost: tuple[str, ...] = ()
    unhealed: tuple[str, ...] = ()
    needless: int = 0
    broken: tuple[str, ...] = ()
    may_fail: bool = False
    model_struck: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise. said: the figures, whether it holds or not."""

    name: str
    holds: bool
    said: str


def judge(facts: Facts) -> list[Rule]:
    """Every rule, in the order of the table."""
    books, ending = facts.account, facts.ending
    log, maybe, meter = books.log, books.maybe, books.meter
    return [
        Rule("struck", facts.struck > 0, f"{facts.struck} requests or connections were hit"),
        Rule("lost", not facts.lost, _words(facts.lost)),
        Rule(
            "books",
            log.micro_usd - maybe.micro_usd <= meter.micro_usd <= log.micro_usd
            and log.calls - maybe.calls <= meter.calls <= log.calls,
            f"meter {meter}; log {log}; of these maybe billed {maybe}",
        ),
        Rule(
            "counters",
            books.counted_micro_usd == log.micro_usd and not books.open_micro_usd,
            f"log {log.micro_usd}, counters {books.counted_micro_usd}, still reserved {books.open_micro_usd} µUSD",
        ),
        Rule("ledger", not books.unlogged, f"{len(books.unlogged)} answers are in no log"),
        Rule(
            "paid twice", books.paid_twice <= maybe.calls, f"{books.paid_twice} paid twice, {maybe.calls} maybe billed"
        ),
        Rule("kept", facts.model_struck or not books.paid_twice, f"{books.paid_twice} answers lost, none by the model"),
        Rule("ended", ending.ended and ending.seconds <= facts.seconds + GRACE_SECONDS, f"{ending.seconds:.0f} s"),
        Rule("survived", ending.success or facts.may_fail, _words(ending.reasons)),
        Rule(
            "healed", not facts.unhealed and not facts.needless, f"{_words(facts.unhealed)}; {facts.needless} needless"
        ),
        Rule("promised", not facts.broken, _words(facts.broken)),
    ]


def _words(sentences: Iterable[str], most: int = 3) -> str:
    said = list(sentences)
    more = f" and {len(said) - most} more" if len(said) > most else ""
    return "; ".join(said[:most]) + more if said else "none"


class Auditor:
    """Reads the books of a stack, past the proxies. Use it under the stack's own environment."""

    def __init__(self, stack: LocalStack) -> None:
        self._dynamodb = stack.client("dynamodb")
        self._model = ModelServerControl(stack.endpoints.model_url)
        self._ledger, self._budget = stack.outputs["ResultsTableName"], stack.outputs["BudgetTableName"]
        self._books = Books(load_settings())

    def account(self, now: datetime) -> Account:
        """now: of the product's clock.

        What dead runs had set aside and left behind is settled first, as the asset `enrichment_costs` does.
        """
        days = sorted(name.removeprefix(_DAY) for name in self._counter_names() if name.startswith(_DAY))
        gateways = open_gateways(load_settings())
        account_for_killed_runs(gateways.tables, gateways.ledger, gateways.budget, days, now, f"auditor:{now}")
        bill, sent = self._model.counters(), self._books.attempts()
        maybe = [row for row in sent if row["maybe_billed"]]
        billed = [row for row in sent if row["maybe_billed"] or row["cost_micro_usd"]]
        counters = [self._books.budget.spent(day_counter(day)) for day in days]
        answers = {item["fingerprint"]["S"]: _title(item) for item in self._scan(self._ledger) if _is_answer(item)}
        logged = {row["fingerprint"] for row in sent}
        return Account(
            meter=Sum(bill["billed"], bill["cost_micro_usd"]),
            log=_sum(billed),
            maybe=_sum(maybe),
            paid_twice=bill["duplicates"],
            counted_micro_usd=sum(spent for _, spent in counters),
            open_micro_usd=sum(committed - spent for committed, spent in counters),
            answers=answers,
            unlogged=tuple(sorted(set(answers) - logged)),
        )

    def evidence(self) -> dict[str, list[dict[str, Any]]]:
        """What the books are read from, row by row, for whoever looks for why they disagree.

        attempts: of the requests log; budget: items of the table of counters and of who spends, as DynamoDB has them.
        """
        return {"attempts": self._books.attempts(), "budget": self._scan(self._budget)}

    def sent_since(self, moment: datetime) -> list[dict[str, Any]]:
        """Rows of the log about requests that were sent after a moment (of the product's clock)."""
        return [row for row in self._books.attempts() if row["started_at"] >= moment]

    def lost_titles(self) -> list[str]:
        """Titles of the catalog that the tables do not account for."""
        ids, books = self._books.catalog_ids(), self._books
        lost = [] if ids else ["there is no catalog"]
        for name in SINGLES:
            outcomes, rows = books.outcomes(name), {row["manga_id"] for row in books.rows(name)}
            answered = {each for each, (outcome, _) in outcomes.items() if outcome == Outcome.SUCCEEDED.value}
            lost += [f"{each} has no outcome of {name}" for each in sorted(ids - set(outcomes))]
            lost += [f"{each} has an outcome and no row of {name}" for each in sorted(answered - rows)]
        return lost

    def waiting_titles(self) -> list[str]:
        """Titles that have an outcome, but no answer and no reason for good."""
        return [
            f"{each} is {outcome} ({why}) in {name}"
            for name in SINGLES
            for each, (outcome, why) in sorted(self._books.outcomes(name).items())
            if outcome not in _COMPLETE
        ]

    def _counter_names(self) -> list[str]:
        return [item["counter"]["S"] for item in self._scan(self._budget)]

    def _scan(self, table: str) -> list[dict[str, Any]]:
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]


def needless(sent: Iterable[Mapping[str, Any]], answered: Mapping[str, tuple[str, str]]) -> int:
    """How many of these calls asked only for what the ledger had already (answered: before they were sent)."""
    covered = {(manga_id, part) for manga_id, analysis in answered.values() for part in _parts(analysis)}
    return sum(all((row["manga_id"], part) in covered for part in _parts(row["analysis"])) for row in sent)


def _parts(analysis: str) -> tuple[str, ...]:
    known = ANALYSES.get(analysis)
    return tuple(known.parts) if known is not None and known.parts else (analysis,)


def _sum(rows: list[dict[str, Any]]) -> Sum:
    return Sum(len(rows), sum(row["cost_micro_usd"] for row in rows))


def _is_answer(item: Mapping[str, Any]) -> bool:
    """Neither a claim nor a failure for good."""
    return "entry" in item and item["outcome"]["S"] == Outcome.SUCCEEDED.value


def _title(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["manga_id"]["S"], item["analysis"]["S"]
