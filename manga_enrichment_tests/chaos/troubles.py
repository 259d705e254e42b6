"""What a cell does to the world and takes back: strokes on the proxies, or the brake.

Belongs here: one interface for both, and what each promises of its own beside the judge's rules. Stays out: a stroke
itself (`proxy.py`), the work that it happens to (`night.py`, `drain.py`).
"""

from collections.abc import Iterator
from typing import Protocol

import dagster as dg

from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.defs.costs.usage_check import build_usage_check
from manga_enrichment.pipeline.health.brake import BrakeHandle
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.chaos.cells import Cell
from manga_enrichment_tests.chaos.faults import Fault
from manga_enrichment_tests.chaos.stage import ANSWER_MS, Stage
from manga_enrichment_tests.end_to_end.file_clock import FileClock

BRAKED_ANSWER_MS = 1_500
"""Runs look every two seconds whether the brake is on: much must still be unasked by then."""


class Trouble(Protocol):
    """Armed when it is made; it begins by itself at the cell's moment. struck: how often it has hit anything."""

    @property
    def struck(self) -> int: ...

    def is_on(self) -> bool: ...

    def end(self) -> None: ...

    def broken(self) -> Iterator[str]:
        """What it promises and was not kept, in words; asked when all is over."""
        ...


class Strokes:
    """The cell's stroke on its service."""

    def __init__(self, stage: Stage, cell: Cell, clock: FileClock) -> None:
        self._proxies, self._fault, self._clock = stage.proxies, cell.stroke.fault, clock
        self._before = self._proxies.struck()[self._fault]
        self._proxies.arm(cell.begins, cell.service, cell.stroke)

    @property
    def struck(self) -> int:
        return self._proxies.struck()[self._fault] - self._before

    def is_on(self) -> bool:
        return self._proxies.is_struck()

    def end(self) -> None:
        self._proxies.end()

    def broken(self) -> Iterator[str]:
        """Usage that cannot be true is shown, every answer of it, and nothing else is called so."""
        tables = open_gateways(load_settings()).tables
        found = build_usage_check()(tables=tables, clock=self._clock)
        forged = self.struck if self._fault is Fault.FORGED_USAGE else 0
        assert isinstance(found, dg.AssetCheckResult)
        shown = found.metadata["answers"].value
        if shown != forged or found.passed != (not forged):
            yield f"{forged} answers had forged usage, usage_can_be_true shows {shown}"


class PulledBrake:
    """The brake, put on by somebody while calls are at the model, which is slow meanwhile. It stays on until `end`."""

    def __init__(self, stage: Stage, cell: Cell, clock: FileClock) -> None:
        gateways = open_gateways(load_settings())
        self._handle = BrakeHandle(gateways.budget, gateways.tables, gateways.batch, clock)
        self._budget = gateways.budget
        self._model, self._proxies = stage.model, stage.proxies
        self.struck = 0
        self._model.faults(latency={"fixed_ms": BRAKED_ANSWER_MS})
        self._proxies.when(cell.begins, self._pull)

    def _pull(self) -> None:
        self._handle.on("a test of the brake")
        self.struck += 1

    def is_on(self) -> bool:
        return self._budget.brake() is not None

    def end(self) -> None:
        self._proxies.end()
        self._handle.off()
        self._model.faults(latency={"fixed_ms": ANSWER_MS})

    def broken(self) -> Iterator[str]:
        if self.is_on():
            yield "the brake is on for good"


def trouble_of(stage: Stage, cell: Cell, clock: FileClock) -> Trouble:
    """Under the stack's own environment."""
    return (PulledBrake if cell.stroke.fault is Fault.BRAKE else Strokes)(stage, cell, clock)
