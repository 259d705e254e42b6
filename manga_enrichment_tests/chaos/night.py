"""A night that is struck, and the next one that is not.

Belongs here: one cell of the matrix over the nightly job. Stays out: the rules (`judge.py`), what strikes
(`troubles.py`).
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from manga_enrichment_tests.chaos.cells import Cell, Variant
from manga_enrichment_tests.chaos.faults import Fault
from manga_enrichment_tests.chaos.judge import GRACE_SECONDS, Auditor, Facts, needless
from manga_enrichment_tests.chaos.processes import Ending, never, run_night
from manga_enrichment_tests.chaos.stage import ANSWER_MS, Stage, environment_of
from manga_enrichment_tests.chaos.troubles import Trouble, trouble_of
from manga_enrichment_tests.end_to_end.file_clock import FileClock

HEALING_SECONDS = 120.0
_LATER_SECONDS = 3_600.0
"""The next night comes when all claims and leases of the first are over."""
_BESIDE = {"MANGA_CLOCK_SKEW_SECONDS": "2", "MANGA_CALL_TIMEOUT_SECONDS": "60"}
_BESIDE_ANSWER_MS = 12_000
"""A call is at the model for longer than a claim lasts that nobody renews."""
_POLL_SECONDS = 0.05


def struck_night(stage: Stage, cell: Cell) -> Facts:
    """Run it, heal it, read the books."""
    folder = stage.clear()
    clock = stage.clock(folder)
    with environment_of(stage.direct()):
        auditor = Auditor(stage.stack)
        night = _Night(stage, cell, clock, folder, trouble_of(stage, cell, clock))
        ending = night.beside() if cell.variant is Variant.BESIDE else night.run()
        clock.advance(_LATER_SECONDS)
        broken = (*night.braked(auditor), *night.trouble.broken())
        clock.advance(_LATER_SECONDS)
        healing_began = clock.now()
        answered = auditor.account(clock.now()).answers
        healing = run_night(stage.direct(), clock, folder, HEALING_SECONDS)
        return Facts(
            struck=night.trouble.struck,
            seconds=cell.stroke.seconds,
            ending=ending,
            account=auditor.account(clock.now()),
            lost=tuple(auditor.lost_titles()),
            unhealed=(*healing.reasons, *auditor.waiting_titles()),
            needless=needless(auditor.sent_since(healing_began), answered),
            broken=broken,
            may_fail=cell.may_fail,
            model_struck=cell.may_lose_answers,
        )


@dataclass
class _Night:
    stage: Stage
    cell: Cell
    clock: FileClock
    folder: Path
    trouble: Trouble

    def run(self) -> Ending:
        """The night alone; killed in the middle of the trouble, where the cell says so."""
        doomed = self.trouble.is_on if self.cell.variant is Variant.KILLED else never
        return run_night(self.stage.through_proxies(), self.clock, self.folder, self._limit_seconds, doomed)

    def beside(self) -> Ending:
        """From the moment on another night works at the same titles, past the proxies; both endings as one."""
        direct, beside = {**self.stage.direct(), **_BESIDE}, self.folder / "beside"
        beside.mkdir()
        with ThreadPoolExecutor(2) as pool:
            struck = pool.submit(
                run_night, {**direct, **self.stage.proxies.environment()}, self.clock, self.folder, self._limit_seconds
            )
            while not (self.trouble.is_on() or struck.done()):
                time.sleep(_POLL_SECONDS)
            self.stage.model.faults(latency={"fixed_ms": _BESIDE_ANSWER_MS})
            other = pool.submit(run_night, direct, self.clock, beside, self._limit_seconds)
            while self.trouble.is_on():
                time.sleep(_POLL_SECONDS)
            self.stage.model.faults(latency={"fixed_ms": ANSWER_MS})
            first, second = struck.result(), other.result()
        return replace(
            first,
            ended=first.ended and second.ended,
            success=first.success and second.success,
            reasons=(*first.reasons, *second.reasons),
        )

    def braked(self, auditor: Auditor) -> Iterator[str]:
        """End the trouble. A brake stays on for the next night, too: what it does not keep, in words."""
        if self.cell.stroke.fault is Fault.BRAKE and self.trouble.is_on():
            asked = self.stage.model.counters()["requests"]
            night = run_night(self.stage.direct(), self.clock, self.folder, HEALING_SECONDS)
            if more := self.stage.model.counters()["requests"] - asked:
                yield f"{more} calls while the brake was on"
            if not any("(brake)" in each for each in auditor.waiting_titles()):
                yield "no title waits for the brake"
            yield from night.reasons
        self.trouble.end()

    @property
    def _limit_seconds(self) -> float:
        return self.cell.stroke.seconds + GRACE_SECONDS
