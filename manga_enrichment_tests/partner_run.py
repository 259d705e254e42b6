"""A partner run in memory: the steps of production in the order of production, without Dagster.

Belongs here: what an op hands to a step. Stays out: gateways, units, being killed (`partner_world.py`).
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.partner.ask import Stopping
from manga_enrichment.pipeline.partner.papers import StoredPapers
from manga_enrichment.pipeline.partner.run_steps import (
    Execution,
    Opened,
    SettleReport,
    ask_model,
    collect_answers,
    in_order,
    open_unit,
    plan_calls,
    settle_requests,
)
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests

if TYPE_CHECKING:
    from manga_enrichment_tests.partner_world import PartnerWorld


def run_in_memory(world: "PartnerWorld", unit_key: str, run_id: str) -> SettleReport:
    run = RunInMemory(world, unit_key, run_id)
    try:
        report = in_order(run)
    except NothingToDoError:
        return SettleReport()
    except StoreUnavailableError as error:
        world.release(run.leases, run.bodies, str(error))
        raise
    assert isinstance(report, SettleReport)
    return report


class NothingToDoError(Exception):
    """The run took nothing over; Dagster skips what follows."""


class RunInMemory:
    """The steps of one run over a world's gateways: what Dagster's ops do, without Dagster."""

    def __init__(self, world: "PartnerWorld", unit_key: str, run_id: str) -> None:
        self._world = world
        self._unit_key = unit_key
        self.leases = world.leases()
        self.bodies = StoredRequests(world.tables)
        papers = StoredPapers(world.tables, run_id)
        self._execution = Execution(run_id, world.tables, papers, self.bodies, say=lambda _line: None)

    def open(self) -> Opened:
        requests, clock = self._world.mortal(self._world.requests), self._world.clock
        opened = open_unit(self._unit_key, self._execution, requests=requests, leases=self.leases, clock=clock)
        if not opened.request_ids:
            raise NothingToDoError
        return Opened.from_dict(json.loads(json.dumps(opened.as_dict())))  # as ops hand it on

    def plan(self, opened: Opened) -> tuple[Opened, Mapping[str, Opened]]:
        plan = plan_calls(opened, self._execution, self._world.planning())
        return opened, dict.fromkeys(plan.analyses(), opened)

    def ask(self, analysis: str, opened: Opened) -> InvokeReport:
        stopping = Stopping(self.leases.wants, self._world.stop, 20, self.leases.look_for_cancelled)
        return ask_model(analysis, opened, self._execution, self._world.asking(), stopping)

    def collect(self, opened: Opened, asked: list[InvokeReport]) -> Opened:
        assert all(isinstance(each, InvokeReport) for each in asked)
        collect_answers(opened, self._execution, self._world.mortal(self._world.base.ledger))
        return opened

    def settle(self, collected: Opened) -> SettleReport:
        settling, releasing = (
            self._world.settling(self.bodies, self._execution.run_id),
            self._world.releasing(self.bodies),
        )
        return settle_requests(collected, self._execution, settling, self.leases, releasing, workers=1)
