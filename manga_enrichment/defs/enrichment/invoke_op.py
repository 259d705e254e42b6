"""The op that asks, of each analysis. The first one of a run asks for all that come after it, too.

So analyses share the places at the model, and what one has done with is written while the others are asked: with an op
after the other, places stand empty as each begins and ends. What is done so waits in the resource `run_work`, where
the ops whose work it is find it. Ops that Dagster tries again, and those of a process that has nothing there, ask for
themselves.

Belongs here: which analyses are asked together, and in which lane. Stays out: asking
(`pipeline/enrichment/asking/ask.py`), when an op is tried again (`defs/shared/policies.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from manga_enrichment.defs.enrichment.run_work import RunWork
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.metadata import invoke_metadata
from manga_enrichment.defs.shared.op_time import OpTime
from manga_enrichment.defs.shared.pipeline_settings import batch_settings, invoke_settings
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final, retry_if_hopeful
from manga_enrichment.defs.shared.progress import progress_of, say_done
from manga_enrichment.defs.shared.run_facts import is_to_run
from manga_enrichment.defs.shared.tags import quota_lane
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.batch_jobs import Lane
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.gateways.batch import BatchInference
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.launch import BatchGateways
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.enrichment.asking.ask import Invoking, Wanted
from manga_enrichment.pipeline.enrichment.asking.submit_batch import BatchLane
from manga_enrichment.runtime.turns import short_turns


def build_invoke_op(analysis: AnalysisType, inputs: DefinitionInputs) -> dg.OpDefinition:
    """Raises ConfigurationError for a batch lane without a role."""
    batches = batch_settings(inputs.settings)

    @dg.op(
        name=f"invoke_{analysis.name}",
        description=f"Ask the model for what is missing. {analysis.about}",
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "bedrock"},
    )
    def invoke(
        context: dg.OpExecutionContext,
        plan: dict[str, Any],
        tables: dg.ResourceParam[ObjectStore],
        batch: dg.ResourceParam[BatchInference],
        run_work: dg.ResourceParam[RunWork],
    ) -> dict[str, Any]:
        to = run_work.gateways
        time = OpTime.of(context, to.clock, inputs.settings.deadline_seconds)
        lane = BatchLane(BatchGateways(tables, to.ledger, to.budget, batch, to.clock), batches)
        return _Work(context, plan, analysis, inputs, run_work, tables, time).done_by(lane)

    return invoke


@dataclass(frozen=True, slots=True)
class _Work:
    """What one invoke op is to do: the calls of one analysis over the buckets of its run."""

    context: dg.OpExecutionContext
    plan: Mapping[str, Any]
    analysis: AnalysisType
    inputs: DefinitionInputs
    of_run: RunWork
    tables: ObjectStore
    time: OpTime

    def done_by(self, lane: BatchLane) -> dict[str, Any]:
        """The report, by the lane that was planned. Raises Failure or RetryRequested."""
        name = self.analysis.name
        if self.plan["dry_run"] or not self._calls(name):
            return InvokeReport(name).as_dict()
        with configuration_errors_are_final(self.time.left_seconds):
            asked = self._submitted(lane) if self._is_batch(name) else self._asked_before()
            report = asked or self._asked()
        retry_if_hopeful(self.context, report, self.time.left_seconds())
        self.context.add_output_metadata(invoke_metadata(report))
        return report.as_dict()

    def _calls(self, name: str) -> int:
        return int(self.plan["plan"]["analyses"].get(name, {}).get("actions", {}).get("ask", 0))

    def _is_batch(self, name: str) -> bool:
        return bool(self.plan["lanes"][name] == Lane.BATCH.value)

    def _submitted(self, lane: BatchLane) -> InvokeReport:
        what = self.analysis, self._model(self.analysis), self.context.partition_keys, self._provenance()
        calls, selected = self._calls(self.analysis.name), self.plan["selected"]
        return lane.submit(*what, total=calls, selected=selected, say=self.context.log.info)

    def _asked_before(self) -> InvokeReport | None:
        report = self.of_run.ahead.take_asked(self.analysis.name)
        if report is not None:
            self.context.log.info(f"{self.analysis.name} was asked by the run's first op that asks, whose log has more")
        return report

    def _asked(self) -> InvokeReport:
        wanted = [self._wanted(self.analysis), *map(self._wanted, self._others())]
        invoking = self._invoking(len(wanted))
        self.of_run.ahead.begin(each.analysis.name for each in wanted)
        self.of_run.writing.forget()
        say, buckets = progress_of(self.context), self.context.partition_keys
        with short_turns():  # buckets are written beside the loop that asks
            reports = invoking.invoke(wanted, buckets, self._provenance(), say=say, written=self._written())
        self.of_run.ahead.keep_asked(reports)
        report = self.of_run.ahead.take_asked(self.analysis.name)
        assert report is not None  # noqa: S101 (it is one of those that were asked)
        say_done(self.context, report)
        return report

    def _invoking(self, analyses: int) -> Invoking:
        """It has the time of all ops whose work it does."""
        left_seconds = self.time.left_seconds() * analyses
        settings = invoke_settings(self.inputs.settings, quota_lane(self.context.run_tags), left_seconds)
        return Invoking(tables=self.tables, gateways=self.of_run.gateways, settings=settings)

    def _others(self) -> list[AnalysisType]:
        """Those that would be asked after this one."""
        return [
            analysis
            for name, analysis in self.inputs.analyses.items()
            if self._calls(name)
            and not self._is_batch(name)
            and not self.of_run.ahead.has_begun(name)
            and name != self.analysis.name
            and is_to_run(self.context, f"invoke_{name}")
        ]

    def _wanted(self, analysis: AnalysisType) -> Wanted:
        tried = f"{self.context.run_id}:{analysis.name}:{self.context.retry_number}"
        spender = tried if analysis is self.analysis else f"{tried}:{self.analysis.name}"
        return Wanted(analysis, self._model(analysis), spender, self._calls(analysis.name))

    def _written(self) -> Callable[[str], Iterator[None]] | None:
        """None where a batch job's answers come later, so that nothing is written before its op has said so."""
        names = self.plan["plan"]["analyses"]
        if any(self._is_batch(name) for name in names if self._calls(name)):
            return None
        selected = [name for name in self.plan["selected"] if is_to_run(self.context, f"write_{name}")]

        def written(bucket: str) -> Iterator[None]:
            for name in selected:
                what = self.inputs.analyses[name], bucket, self._provenance(), self.plan["selected"]
                self.of_run.ahead.keep_written(self.of_run.writing.write_all(*what))
                yield

        return written

    def _model(self, analysis: AnalysisType) -> ModelSpec:
        lane = quota_lane(self.context.run_tags)
        return self.inputs.models.asked_for(analysis.name, analysis.model_alias, lane)

    def _provenance(self) -> Provenance:
        return Provenance(**self.plan["provenance"])
