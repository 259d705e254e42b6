"""Nights, backfills and partners' runs over the same buckets, ledger, log and counters, and a model that has a meter.

Belongs here: a run's steps as its ops take them, and the books that must agree. Stays out: clocks (`together.py`).
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.engine.invocation import InvokeGateways
from manga_enrichment.pipeline.engine.money.budget import day_counter
from manga_enrichment.pipeline.enrichment.asking.ask import Invoking, Wanted
from manga_enrichment.pipeline.enrichment.plan_run import Planning
from manga_enrichment.pipeline.enrichment.wide_table import TABLE, write_enriched
from manga_enrichment.pipeline.enrichment.write import Writing
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, MODELS, SINGLES, model_of, put_catalog, record, report_of
from manga_enrichment_tests.fake_clock import START
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.scripted_model import prompt_fields_of
from manga_enrichment_tests.together import SharedClock

TITLES = 24
_ATTEMPT = ("fingerprint", "dagster_run_id", "started_at", "attempt")
LESS_THAN_ESTIMATED = Usage(200, 20)
"""So that what is booked for a lost answer, and what is set aside, is no less than what the meter says."""


class MeteredModel(ScriptedModel):
    """What the service bills: every answer, also one that its caller never saw. fault_rate: of each of two faults."""

    def __init__(
        self, clock: Clock, rng: random.Random, *, fault_rate: float = 0.0, longest_seconds: float = 4.0
    ) -> None:
        super().__init__(
            clock, usage=LESS_THAN_ESTIMATED, latency_seconds=lambda _call: rng.uniform(0.2, longest_seconds)
        )
        self._rng = rng
        self._fault_rate = fault_rate
        self.meter_micro_usd = 0
        self.answered: Counter[tuple[str, str]] = Counter()  # analysis and title

    async def converse(self, call: ModelCall) -> ModelReply:
        luck = self._rng.random()
        if luck < self._fault_rate:
            raise ModelError(ErrorClass.THROTTLED, "too many requests")
        reply = await super().converse(call)
        self.meter_micro_usd += cost_micro_usd(reply.usage, call.model.price)
        if luck < 2 * self._fault_rate:
            raise ModelError(ErrorClass.READ_TIMEOUT, "the answer was lost on its way")
        self.answered[call.prompt.tool_name, prompt_fields_of(call.prompt).get("manga_id", "")] += 1
        return reply


@dataclass
class SharedNight:
    """A PartnerWorld, whose gateways all runs share. Each run is told its machine's clock."""

    seed: int = 1
    start: datetime = START
    fault_rate: float = 0.0
    longest_seconds: float = 4.0
    concurrency: int = 8
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = SharedClock(self.start)
        self.partners = PartnerWorld(clock=self.clock, **self.settings)
        self.base = self.partners.base
        self.base.settings = replace(
            self.base.settings, engine=replace(self.base.settings.engine, concurrency=self.concurrency)
        )
        put_catalog(self.base.tables, [record(number) for number in range(TITLES)])
        self.base.model = self.model = MeteredModel(
            self.clock, random.Random(self.seed), fault_rate=self.fault_rate, longest_seconds=self.longest_seconds
        )

    def night(
        self,
        run_id: str,
        names: Sequence[str] = SINGLES,
        trigger: str = "schedule",
        *,
        clock: Clock | None = None,
        ledger: Any = None,
        budget: Any = None,
    ) -> None:
        """Plan, ask and write everything, then the wide table. clock, ledger, budget: as its machine sees them."""
        base, clock = self.base, clock or self.clock
        provenance = Provenance(run_id, clock.now().date().isoformat(), trigger)
        planning = Planning(tables=base.tables, ledger=base.ledger, analyses=ANALYSES, models=MODELS)
        planning.plan(run_id, [BUCKET], list(names), lambda _line: None)
        gateways = InvokeGateways(ledger or base.ledger, budget or base.budget, base.senders, base.open_model, clock)
        for name in names:
            invoking = Invoking(tables=base.tables, gateways=gateways, settings=base.settings)
            wanted = Wanted(ANALYSES[name], model_of(ANALYSES[name]), f"{run_id}:{name}:0")
            report_of(invoking.invoke([wanted], [BUCKET], provenance, say=lambda _line: None)[name])
        writing = Writing(tables=base.tables, ledger=base.ledger, status=base.status, clock=clock, analyses=ANALYSES)
        for name in names:
            (writing.write_log if ANALYSES[name].parts else writing.write)(ANALYSES[name], BUCKET, provenance)
        write_enriched(base.tables, BUCKET, list(ANALYSES.values()), Origin(run_id, clock.now()))

    # Books

    def log(self, day: str = "") -> list[dict[str, Any]]:
        """Rows about requests that were sent, of all days or one."""
        keys = self.base.tables.list_keys(f"enrichment/requests/run_date={day}")
        return [row for key in keys for row in self.base.rows(key) if row["attempt"]]

    def days(self) -> set[str]:
        keys = self.base.tables.list_keys("enrichment/requests/run_date=")
        return {key.split("run_date=")[1][:10] for key in keys}

    def counted(self, day: str) -> tuple[int, int]:
        """(committed, spent) of a day's counter."""
        return self.base.budget.spent(day_counter(day))

    def assert_books_agree(self) -> None:
        """log - maybe billed <= meter <= log; counters and log agree day by day; twice paid is maybe billed."""
        log = self.log()
        logged, maybe = total(log), total(row for row in log if row["maybe_billed"])
        assert 0 < logged - maybe <= self.model.meter_micro_usd <= logged
        for day in self.days():
            assert self.counted(day) == (total(self.log(day)), total(self.log(day)))
        entries = self.base.ledger.entries
        paid = Counter(row["fingerprint"] for row in log if row["error_class"] is None)
        assert set(paid) == {each.fingerprint for each in entries.values() if each.error_class is None}
        assert sum(paid.values()) - len(paid) <= sum(row["maybe_billed"] for row in log)
        assert len({tuple(row[name] for name in _ATTEMPT) for row in log}) == len(log)

    def assert_each_question_was_answered_once(self, names: Iterable[str] = SINGLES) -> None:
        """By the model, in the tables and in the wide table."""
        assert max(self.model.answered.values()) == 1
        wide = self.base.rows(table_key(TABLE, BUCKET))
        assert len(wide) == len({row["manga_id"] for row in wide}) == TITLES
        for name in names:
            assert len(self.base.answers(name)) == TITLES
            assert all(row[f"{name}_answered_at"] is not None for row in wide)
            assert {row["outcome"] for row in self.base.outcomes(name).values()} == {"succeeded"}


def total(rows: Iterable[dict[str, Any]]) -> int:
    return sum(row["cost_micro_usd"] for row in rows)
