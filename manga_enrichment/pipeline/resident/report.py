"""What a resident run says of its work, added up over its requests.

Belongs here: counts. Stays out: who is told, and when (`defs/partner/resident_job.py`).
"""

from collections import Counter
from dataclasses import dataclass, field

from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.partner.ending.settle_run import SettleReport
from manga_enrichment.pipeline.partner.intake_report import IntakeOutcome

RESULTS_KEPT = 20


@dataclass(slots=True)
class ResidentReport:
    """received: messages by what became of them. given_back: requests that this run did not bring to an end.

    stopped: by analysis, why nothing of it can succeed until somebody mends something. ended: why the run receives no
    more.
    """

    received: Counter[IntakeOutcome] = field(default_factory=Counter)
    settled: SettleReport = field(default_factory=SettleReport)
    given_back: int = 0
    calls: int = 0
    throttled: int = 0
    stopped: dict[str, InvokeReport] = field(default_factory=dict)
    ended: str = ""

    def add(self, settled: SettleReport, asked: list[InvokeReport]) -> None:
        mine = self.settled
        mine.states.update(settled.states)
        mine.items.update(settled.items)
        mine.cost_micro_usd += settled.cost_micro_usd
        mine.result_keys = [*mine.result_keys, *settled.result_keys][:RESULTS_KEPT]
        self.given_back += len(settled.left)
        for report in asked:
            self.calls += report.calls
            if report.stopped_by and TREATMENTS[ErrorClass(report.stopped_by)].stops_analysis:
                self.stopped[report.analysis] = report
