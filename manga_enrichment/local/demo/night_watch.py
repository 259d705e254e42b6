"""How far the demo's night is, seen from outside: its run's events in the instance, and what the model server billed.

Belongs here: which event begins which stage. Stays out: what is made of it (`stages.py`, `bar.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import dagster as dg

from manga_enrichment.local.demo.stages import Progress, ProgressFile, Stage

_POLL_SECONDS = 0.3
_BEGINS = {
    "manga_catalog": Stage.IMPORT,
    "similar_candidates": Stage.CANDIDATES,
    "enrichment.plan": Stage.PLAN,
    "enrichment.invoke_": Stage.ASK,
    "enrichment.write_": Stage.WRITE,
    "enriched_catalog": Stage.CHECK,
}
"""Of steps, by how their keys begin."""


class Night:
    """Follows the events of one run. writes: how many tables it is to write; billed: calls since it began."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, writes: int, billed: Callable[[], int]) -> None:
        self._instance = instance
        self._run_id = run_id
        self._billed = billed
        self._cursor: str | None = None
        self._stage = Stage.LOAD
        self._written = 0
        self._writes = writes
        self._calls = 0

    def progress(self) -> Progress:
        """As of now."""
        found = self._instance.get_records_for_run(self._run_id, cursor=self._cursor, limit=1000)
        self._cursor = found.cursor
        for record in found.records:
            if (event := record.event_log_entry.dagster_event) is not None:
                self._see(event)
        if self._stage is Stage.ASK:
            return Progress(Stage.ASK, min(self._billed(), self._calls), self._calls)
        return (
            Progress(self._stage, self._written, self._writes) if self._stage is Stage.WRITE else Progress(self._stage)
        )

    def _see(self, event: dg.DagsterEvent) -> None:
        step = event.step_key or ""
        if event.event_type is dg.DagsterEventType.STEP_START:
            begun = [stage for prefix, stage in _BEGINS.items() if step.startswith(prefix)]
            self._stage = max([self._stage, *begun], key=list(Stage).index)
        elif event.event_type is dg.DagsterEventType.STEP_OUTPUT and step == "enrichment.plan":
            planned = event.step_output_data.metadata.get("calls")
            self._calls = (planned.value or 0) if isinstance(planned, dg.IntMetadataValue) else 0
        elif event.event_type is dg.DagsterEventType.STEP_SUCCESS and step.startswith("enrichment.write_"):
            self._written += 1
            if self._written == self._writes:
                self._stage = Stage.CHECK


@contextmanager
def told(night: Night, file: ProgressFile) -> Iterator[None]:
    """Within the block, a thread tells how far the night is."""
    over = Event()

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            file.tell(night.progress())

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
