"""Some titles asked again, from the wish to the tables, for the command and the job alike.

Belongs here: the order of steps. Stays out: numbers (`press.py`), each of the steps (`pipeline/enrichment`).

    numbers     from here on it is asked, by this run or the next night
    plan        files of the run, of these titles alone
    ask         the engine, ledger, budget and log of every other call
    write       tables, outcomes and, where all rows are sound, the wide table of the buckets concerned

Killed anywhere, the same wish goes on where it was: the number is there, answers are in the ledger.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.pipeline.changes.replace import ChangeReport, Origin
from manga_enrichment.pipeline.engine.invocation import InvokeGateways, InvokeSettings
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.enrichment.asking.ask import Invoking, Wanted
from manga_enrichment.pipeline.enrichment.plan_files import plan_rows, write_plan
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.pipeline.enrichment.write import Writing
from manga_enrichment.pipeline.health.table_quality import check_rows
from manga_enrichment.pipeline.titles.press import AgainPlan, Pressing, Wish

AGAIN_TRIGGER = "manual"


@dataclass(slots=True)
class AgainReport:
    """reports: of each analysis that was asked. tables: those that were written, by bucket. unsound: buckets whose wide
    table was left as it is, since a table that it is made of has rows that must not be published, and an example."""

    plan: AgainPlan
    reports: list[InvokeReport] = field(default_factory=list)
    tables: dict[str, list[str]] = field(default_factory=dict)
    changes: list[ChangeReport] = field(default_factory=list)
    unsound: dict[str, str] = field(default_factory=dict)

    @property
    def cost_micro_usd(self) -> int:
        return sum(report.cost_micro_usd for report in self.reports)

    @property
    def answered(self) -> int:
        return sum(report.outcomes.get("succeeded", 0) for report in self.reports)

    @property
    def left(self) -> int:
        """Calls that nobody has an answer to yet."""
        return sum(report.outcomes.get("deferred", 0) for report in self.reports)

    def sentence(self) -> str:
        calls, changed = self.plan.calls.total(), sum(each.titles.get("changed", 0) for each in self.changes)
        failed = sum(report.outcomes.get("failed", 0) for report in self.reports)
        why = sorted({report.stopped_message or ", ".join(report.error_classes) for report in self.reports} - {""})
        ended = "".join(
            f", {count} {what}" for count, what in ((failed, "failed"), (self.left, "left for the next night")) if count
        )
        return (
            f"{calls} calls about {len(self.plan.titles)} titles: {self.answered} answered{ended}, "
            f"{usd(self.cost_micro_usd):.6f} USD; {changed} rows of enriched_catalog changed"
            + (f" ({'; '.join(why)})" if why else "")
            + "".join(
                f"; enriched_catalog of bucket {bucket} is as it was, since a table beneath it is not sound: {example}"
                for bucket, example in self.unsound.items()
            )
        )


@dataclass(frozen=True, slots=True)
class AskingAgain:
    """settings: of any run. say: told of progress."""

    pressing: Pressing
    tables: ObjectStore
    gateways: InvokeGateways
    status: StatusStore
    settings: InvokeSettings
    say: Callable[[str], None]

    def ask(self, wish: Wish, run_id: str, execution: str) -> AgainReport:
        """Raises AgainError, ConfigurationError, ModelError, StoreUnavailableError, WriteConflictError.

        run_id: of this run; execution: a name that no other try of it has.
        """
        now = self.gateways.clock.now()
        report = AgainReport(self.pressing.press(wish, now))
        provenance = Provenance(run_id, now.date().isoformat(), AGAIN_TRIGGER)
        for bucket, planned in report.plan.planned.items():
            write_plan(self.tables, run_id, bucket, [plan_rows(planned)], {}, is_of_some=True)
        self._invoke(report, provenance, execution)
        self._write(report, provenance)
        return report

    def _invoke(self, report: AgainReport, provenance: Provenance, execution: str) -> None:
        invoking = Invoking(tables=self.tables, gateways=self.gateways, settings=self.settings)
        analyses, models = self.pressing.analyses, self.pressing.models
        wanted = [
            Wanted(analyses[name], models[name], f"{provenance.run_id}:{name}:{execution}", calls)
            for name, calls in report.plan.calls.items()
        ]
        if not wanted:
            return
        for found in invoking.invoke(wanted, list(report.plan.planned), provenance, say=self.say).values():
            if isinstance(found, Exception):
                raise found
            report.reports.append(found)

    def _write(self, report: AgainReport, provenance: Provenance) -> None:
        writing, analyses = self._writing(), self.pressing.analyses
        for bucket, planned in report.plan.planned.items():
            filled = dict.fromkeys(name for item in planned for name in item.fills)
            for name in filled:
                writing.write(analyses[name], bucket, provenance)
            for name in dict.fromkeys(item.analysis for item in planned if analyses[item.analysis].parts):
                writing.write_log(analyses[name], bucket, provenance)
            report.tables[bucket] = list(filled)
            self._publish(report, bucket, provenance)

    def _publish(self, report: AgainReport, bucket: str, provenance: Provenance) -> None:
        """As in a night, nothing of a bucket while one of its tables is not sound (the check `rows_are_valid`)."""
        analyses = list(self.pressing.analyses.values())
        for analysis in analyses:
            found = [] if analysis.parts else check_rows(self.tables, analysis, [bucket]).examples
            if found:
                report.unsound[bucket] = f"{analysis.name}, {found[0]}"
                return
        origin = Origin(provenance.run_id, self.gateways.clock.now())
        report.changes.append(write_enriched(self.tables, bucket, analyses, origin).changes)

    def _writing(self) -> Writing:
        ledger: ResultLedger = self.gateways.ledger
        clock: Clock = self.gateways.clock
        return Writing(
            tables=self.tables, ledger=ledger, status=self.status, clock=clock, analyses=self.pressing.analyses
        )
