"""The request lane in memory, step by step: send, tick, run, and being killed anywhere in between.

Belongs here: a lane over fakes, what partners and sensor do. Stays out: the fakes, a run (`partner_run.py`).
"""

import itertools
import json
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.operations.quota_lanes import NIGHT
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import NORMAL, QUEUES, Queue
from manga_enrichment.domain.requests.states import is_final
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.pipeline.candidates.open_index import OpenIndex
from manga_enrichment.pipeline.dead_letters.queue import DeadLetters
from manga_enrichment.pipeline.engine.invocation import InvokeGateways, InvokeSettings
from manga_enrichment.pipeline.engine.money.budget import Caps
from manga_enrichment.pipeline.log.rows import request_rows
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy, OutboxWriter
from manga_enrichment.pipeline.partner.ask import PartnerAsking
from manga_enrichment.pipeline.partner.ending.complete import Completion
from manga_enrichment.pipeline.partner.ending.settle import SettleLimits, Settling
from manga_enrichment.pipeline.partner.holding.leases import Leases
from manga_enrichment.pipeline.partner.holding.requeue import Requeue, release_all
from manga_enrichment.pipeline.partner.intake import Claimant, Intake
from manga_enrichment.pipeline.partner.intake_report import IntakeReport
from manga_enrichment.pipeline.partner.live_policies import LivePolicies
from manga_enrichment.pipeline.partner.packing import UnitLimits
from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning, anew
from manga_enrichment.pipeline.partner.run_steps import SettleReport
from manga_enrichment.pipeline.partner.shelf import Shelf
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.partner.stored.results import each_result_once
from manga_enrichment.pipeline.resident.recent_tables import RecentTables
from manga_enrichment.pipeline.resident.shared_reads import SharedReads
from manga_enrichment.pipeline.store.flusher import Flusher
from manga_enrichment.pipeline.store.hour_groups import read_once
from manga_enrichment.pipeline.store.object_keys import result_document_key
from manga_enrichment_tests.builders import MODELS, World, open_budget_settings, put_catalog, record
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.kill_switch import KillSwitch, Mortal
from manga_enrichment_tests.outbox_fakes import MemoryOutbox
from manga_enrichment_tests.partner_run import run_in_memory
from manga_enrichment_tests.request_fakes import MemoryQueues, MemoryRequests, MemoryResidents
from manga_enrichment_tests.resident_run import live

PARTNER = "acme"
UNITS, RESIDENT = WAYS = "units", "resident"
"""How requests are worked at: by runs that a sensor launches for units of them, or by runs that stay."""
TITLES = 8


def patient_queues(max_receives: int) -> Mapping[str, Queue]:
    """The project's queues with another receive limit."""
    return {name: replace(q, max_receives=max_receives) if q.max_receives else q for name, q in QUEUES.items()}


@dataclass
class PartnerWorld:
    """One queue lane over a World with a small catalog of one bucket."""

    max_receives: int = 3
    limits: UnitLimits = field(default_factory=UnitLimits)
    settle_limits: SettleLimits = field(default_factory=SettleLimits)
    policy: RequestPolicy = field(default_factory=RequestPolicy)
    caps: Caps = field(default_factory=Caps)
    deadline_seconds: float = 60
    clock: Any = field(default_factory=FakeClock)
    way: str = UNITS
    models: ModelCatalog = MODELS
    lane: str = NIGHT
    index_home: Path = Path()
    """Of copies of the candidate index, should there be one."""

    def __post_init__(self) -> None:
        settings = open_budget_settings(caps=self.caps)
        engine = replace(settings.engine, deadline_seconds=self.deadline_seconds)
        self.base = World(clock=self.clock, settings=replace(settings, engine=engine))
        self.switch = KillSwitch()
        self.queue = MemoryQueues(self.clock, patient_queues(self.max_receives))
        self.requests = MemoryRequests(self.clock)
        self.outbox = MemoryOutbox()
        self.residents = MemoryResidents()
        self._numbers = itertools.count(1)
        self._runs = itertools.count(1)
        self.launched: list[str] = []
        self.stop = threading.Event()
        put_catalog(self.base.tables, [record(number) for number in range(TITLES)])

    # What a partner does

    def send(
        self,
        items: Sequence[tuple[int, str] | tuple[int, str, str]] = ((1, "reading_level"),),
        *,
        queue: str = NORMAL.name,
        request_id: str = "",
        partner_id: str = PARTNER,
        **body: Any,
    ) -> str:
        """A batch of (title number, analysis[, note]); returns its request_id."""
        names = ("manga_id", "analysis_type", "additional_context")
        sent = [dict(zip(names, (f"MNG-{item[0]:08d}", *item[1:]), strict=False)) for item in items]
        return self.send_envelope(
            "batch_analysis", {"items": sent, **body}, queue=queue, request_id=request_id, partner_id=partner_id
        )

    def send_envelope(
        self,
        schema: str,
        body: Mapping[str, Any],
        *,
        queue: str = NORMAL.name,
        request_id: str = "",
        partner_id: str = PARTNER,
        group_id: str = "",
    ) -> str:
        request_id = request_id or str(UUID(int=next(self._numbers), version=4))
        document = {
            "schema": schema,
            "schema_version": 1,
            "request_id": request_id,
            "partner_id": partner_id,
            "submitted_at": self.clock.now().isoformat().replace("+00:00", "Z"),
            "source": "test",
            "body": body,
        }
        self.send_text(json.dumps(document), queue=queue, group_id=group_id or partner_id, name=request_id)
        return request_id

    def send_text(self, text: str, *, queue: str = NORMAL.name, group_id: str = PARTNER, name: str = "") -> None:
        deduplication_id = (name or str(next(self._numbers))) if queue.endswith(".fifo") else ""
        self.queue.send(queue, text, group_id=group_id, deduplication_id=deduplication_id)

    # What sensor and run do; each call is one process

    def tick(self, queue: str = NORMAL.name, free_runs: int = 5) -> IntakeReport:
        report = self.intake().pull(queue, free_runs, self.clock.monotonic_seconds() + 20)
        self.launched += [unit.key for unit in report.units]
        return report

    def run(self, unit_key: str, *, run_id: str = "") -> SettleReport:
        """A run over one unit; what it holds when a store is away for good is given back."""
        return run_in_memory(self, unit_key, run_id or f"partner-run-{next(self._runs)}")

    def release(self, leases: Leases, bodies: StoredRequests, reason: str) -> list[str]:
        """As a run does at its end; what it says."""
        said: list[str] = []
        release_all(leases, self.releasing(bodies), delay_seconds=15, reason=reason, say=said.append)
        return said

    def work(self, queue: str = NORMAL.name) -> None:
        """A tick, and all runs it asks for; or a resident run of a few seconds, which takes what there is."""
        if self.way == RESIDENT:
            live(self, [queue], run_id=f"resident-run-{next(self._runs)}")
            return
        self.tick(queue)
        while self.launched:
            self.run(self.launched.pop(0))

    def drain(self, queue: str = NORMAL.name, *, rounds: int = 50) -> None:
        """Until the queue is empty, however long messages stay hidden."""
        for _ in range(rounds):
            self.work(queue)
            if not self.queue.messages(queue):
                return
            self.clock.advance(1000)
        raise AssertionError(f"still in {queue}: {self.queue.messages(queue)}")

    # Parts

    @property
    def tables(self) -> Any:
        return self.mortal(self.base.tables)

    def mortal(self, gateway: Any) -> Any:
        return Mortal(gateway, self.switch)

    def leases(self) -> Leases:
        return Leases(self.mortal(self.queue), self.mortal(self.requests), self.clock, random.Random(1))

    def dead_letters(self) -> DeadLetters:
        return DeadLetters(queues=self.mortal(self.queue), requests=self.mortal(self.requests), clock=self.clock)

    def endings(self) -> Completion:
        outbox_writer = OutboxWriter(
            self.mortal(self.outbox),
            self.clock,
            NotificationPolicy(
                results_topic="arn:results",
                alerts_topic="arn:alerts",
                partners=self.policy.partners,
                sends_mail=self.policy.sends_mail,
            ),
        )
        return Completion(
            self.mortal(self.queue), self.tables, self.mortal(self.base.ledger), outbox_writer, self.dead_letters()
        )

    def new_owner(self) -> str:
        return f"claim-{next(self._numbers)}"

    def intake(self, claimant: Claimant | None = None) -> Intake:
        return Intake(
            queue=self.mortal(self.queue),
            requests=self.mortal(self.requests),
            tables=self.tables,
            clock=self.clock,
            endings=self.endings(),
            policy=self.policy,
            limits=self.limits,
            claimant=claimant or Claimant(self.new_owner, MOST_CLOCK_SKEW, StoredRequests(self.tables)),
            workers=1,
        )

    def planning(self, recent: RecentTables | None = None) -> PartnerPlanning:
        ledger = self.mortal(self.base.ledger)
        return PartnerPlanning(
            tables=self.tables,
            ledger=SharedReads(ledger) if recent else ledger,
            analyses=self.policy.for_partners,
            models=self.models,
            bucket_count=1,
            catalog=recent,
            recall=recent.recall if recent else anew,
            shelf=Shelf(self.tables, OpenIndex(self.tables, self.clock, self.index_home).asking, 1),
        )

    def invoke_gateways(self) -> InvokeGateways:
        return InvokeGateways(
            ledger=self.mortal(self.base.ledger),
            budget=self.mortal(self.base.budget),
            senders=self.base.senders,
            open_model=self.base.open_model,
            clock=self.clock,
        )

    def invoke_settings(self) -> InvokeSettings:
        """Of one process: it reads policies anew."""
        policies = LivePolicies(self.policy.partners, self.mortal(self.requests), self.clock)
        return replace(self.base.settings, policies=policies, lane=self.lane)

    def asking(self) -> PartnerAsking:
        gateways = self.invoke_gateways()
        return PartnerAsking(
            tables=self.tables,
            gateways=gateways,
            settings=self.invoke_settings(),
            analyses=self.policy.for_partners,
            models=self.models,
        )

    def releasing(self, bodies: StoredRequests) -> Requeue:
        return Requeue(self.mortal(self.queue), self.mortal(self.requests), self.tables, self.clock, bodies)

    def settling(self, bodies: StoredRequests, run_id: str = "run", flusher: Flusher | None = None) -> Settling:
        return Settling(
            requests=self.mortal(self.requests),
            tables=self.tables,
            clock=self.clock,
            endings=self.endings(),
            releasing=self.releasing(bodies),
            stored=bodies,
            limits=self.settle_limits,
            flusher=flusher or Flusher(self.tables, self.clock, run_id),
        )

    # What a test looks at

    def row(self, request_id: str) -> RequestRow:
        return self.requests.rows[request_id]

    def state(self, request_id: str) -> str:
        return self.row(request_id).state.value

    def is_final(self, request_id: str) -> bool:
        return request_id in self.requests.rows and is_final(self.row(request_id).state)

    def result(self, request_id: str) -> dict[str, Any]:
        document = self.base.tables.read_json(result_document_key(self.row(request_id).partner_id, request_id))
        assert document is not None, f"no result of {request_id}"
        return document

    def result_rows(self, request_id: str) -> list[dict[str, Any]]:
        """As analysts are to read them."""
        tables = read_once(self.base.tables, "enrichment/partner_results/", each_result_once)
        return [row for table in tables for row in table.to_pylist() if row["request_id"] == request_id]

    def assert_rows_are_whole(self, *request_ids: str) -> None:
        """Ended requests' rows, each once, say what their documents say."""
        for request_id in request_ids:
            found = [(row["generation"], row["position"], row["fingerprint"]) for row in self.result_rows(request_id)]
            document = self.result(request_id)
            said = [(document["generation"], each["position"], each["fingerprint"]) for each in document["items"]]
            assert sorted(found) == said

    def assert_log_is_whole(self) -> None:
        """Every attempt that an entry tells of is logged, and none twice."""
        logged = Counter(map(_attempt, (row for row in self.base.log() if row["attempt"])))
        paid = {_attempt(row) for entry in self.base.ledger.entries.values() for row in request_rows(entry)}
        assert paid <= set(logged)
        assert set(logged.values()) <= {1}


def _attempt(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["fingerprint"], row["attempt"], row["dagster_run_id"], row["started_at"].timestamp())
