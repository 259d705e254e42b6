"""Ask what contenders have to say about a sample: through the engine, ledger, budget and log of every other call.

Belongs here: calls of a trial, who pays for them, logging what was paid. Stays out: which titles (`drawing.py`), what
the answers are worth (`judging.py`).

A trial has one run id, made of what it asks: run again, it finds its answers in the ledger and asks what is left, under
the same cap. Its answers have the fingerprints that they would have after a promotion.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.prompts.again import number_of
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.domain.trials.contenders import Contender
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.invocation import Invocation, InvokeGateways, InvokeSettings, open_invocation
from manga_enrichment.pipeline.engine.money.budget import scopes_of
from manga_enrichment.pipeline.engine.tally import Tally
from manga_enrichment.pipeline.enrichment.calibrations import read_calibration
from manga_enrichment.pipeline.log.append import log_entries
from manga_enrichment.pipeline.log.arrears import keep_arrears, settle_arrears
from manga_enrichment.pipeline.log.unledgered import UnledgeredAttempts
from manga_enrichment.pipeline.trials.drawing import Sample

TRIAL_TRIGGER = "trial"
Results = dict[str, dict[str, CallResult]]
"""By contender's name, then by manga_id."""


def trial_id(contenders: Sequence[Contender], size: int, seed: int, bucket: str) -> str:
    """The run id of a trial; the same for the same questions. bucket: where the catalog is."""
    asked = [(each.analysis.name, *each.identity) for each in contenders]
    text = json.dumps([sorted(asked), size, seed, bucket])
    return f"trial-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def calls_of(contender: Contender, sample: Sample, tables: ObjectStore) -> list[Call]:
    """One per title, with today's estimate."""
    analysis, model = contender.analysis, contender.model
    calibration = read_calibration(tables, analysis.name, model.model_id)
    calls = []
    for title in sample.titles.values():
        again = number_of(analysis, title.numbers)
        inputs = title_inputs(analysis, title.record, title.candidates, again=again)
        calls.append(build_call(Question(analysis, model, inputs, calibration), title.bucket))
    return calls


def estimate_micro_usd(calls: Sequence[Call]) -> int:
    """What asking all of them takes; the first one pays for writing the prompt cache."""
    return sum(call.estimated_micro_usd() if number else call.most_micro_usd() for number, call in enumerate(calls))


@dataclass(frozen=True, slots=True)
class TrialAsking:
    """settings: with the trial's cap as that of a run. say: told of progress every 10 s."""

    tables: ObjectStore
    gateways: InvokeGateways
    settings: InvokeSettings
    say: Callable[[str], None]

    def ask(self, calls: Mapping[str, Sequence[Call]], provenance: Provenance, execution: str) -> Results:
        """Bring every call to an outcome. calls: by contender, who are asked one after the other.

        execution: a name that no other try of this trial has. Raises ConfigurationError, ModelError.
        """
        gateways, now = self.gateways, self.gateways.clock.now()
        settle_arrears(self.tables, gateways.ledger, gateways.budget, now)
        counters = [scope.counter for scope in scopes_of(provenance, self.settings.caps)]
        gateways.budget.close_abandoned(counters, now - self.settings.engine.clock_skew)
        results: Results = {}
        for name, own in calls.items():
            if own:
                spender = f"{provenance.run_id}:{name}:{execution}"
                results[name] = gateways.clock.run(self._ask(name, own, provenance, spender))
        return results

    async def _ask(
        self, name: str, calls: Sequence[Call], provenance: Provenance, spender: str
    ) -> dict[str, CallResult]:
        unledgered = UnledgeredAttempts(provenance, self.gateways.clock)
        found: dict[str, CallResult] = {}

        def keep(result: CallResult) -> None:
            found[result.call.manga_id] = result
            unledgered.add(result)

        tally = Tally(name, len(calls))
        async with open_invocation(self.gateways, self.settings, tally, provenance.run_id, self.say) as invocation:
            await self._run(invocation, calls, provenance, spender, keep, unledgered)
        return found

    async def _run(
        self,
        invocation: Invocation,
        calls: Sequence[Call],
        provenance: Provenance,
        spender: str,
        keep: Callable[[CallResult], None],
        unledgered: UnledgeredAttempts,
    ) -> None:
        await invocation.reach()
        engine = invocation.engine(calls[0].model, provenance, spender)
        flush = partial(unledgered.write, self.tables, calls[0].analysis.name)
        await engine.run(iter(calls), invocation.counted(keep), flush, partial(keep_arrears, self.tables))


def log_paid(tables: ObjectStore, results: Iterable[CallResult]) -> None:
    """Log what stands in the ledger, each under the run that paid: of a killed try, too."""
    log_entries(tables, (result.entry for result in results if result.entry is not None))


def capped(settings: InvokeSettings, cap_micro_usd: int) -> InvokeSettings:
    """The settings of a run, with the trial's own cap in place of a run's; the day's stays."""
    return replace(settings, caps=replace(settings.caps, per_run_micro_usd=cap_micro_usd))


def spent_by(results: Iterable[CallResult], run_id: str) -> Counter[str]:
    """Micro-dollars by manga_id that this trial paid, now or in an earlier try."""
    paid: Counter[str] = Counter()
    for result in results:
        own = result.entry is not None and result.entry.provenance.run_id == run_id
        attempts = result.entry.attempts if own and result.entry is not None else result.attempts
        paid[result.call.manga_id] += sum(attempt.cost_micro_usd for attempt in attempts)
    return paid
