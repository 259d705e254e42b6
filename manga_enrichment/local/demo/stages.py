"""How far a demo is: told by the program that works, read by the one that shows it.

Belongs here: stages, their shares of the time, the file between both programs. Stays out: finding out how far it is
(`night_watch.py`), showing it (`bar.py`).
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class Stage(StrEnum):
    """In their order; the value is what people read."""

    STACK = "starting the local stack"
    LOAD = "loading the pipeline"
    IMPORT = "reading the catalog"
    CANDIDATES = "looking for similar titles"
    PLAN = "planning what to ask"
    ASK = "asking"
    WRITE = "writing tables"
    CHECK = "checking them"
    BATCHES = "a partner's batches"
    COSTS = "adding up costs"
    STOP = "stopping the local stack"


_SHARES = {
    Stage.STACK: 20,
    Stage.LOAD: 8,
    Stage.IMPORT: 3,
    Stage.CANDIDATES: 3,
    Stage.PLAN: 3,
    Stage.ASK: 31,
    Stage.WRITE: 8,
    Stage.CHECK: 6,
    Stage.BATCHES: 11,
    Stage.COSTS: 3,
    Stage.STOP: 4,
}
"""Per cent of the time of a first demo."""


@dataclass(frozen=True, slots=True)
class Progress:
    """done of `of` things of this stage; of 0: they are not counted."""

    stage: Stage
    done: int = 0
    of: int = 0

    @property
    def share(self) -> float:
        """Of the whole demo, 0 to 1."""
        stages = list(Stage)
        before = sum(_SHARES[each] for each in stages[: stages.index(self.stage)])
        within = min(1.0, self.done / self.of) if self.of else 0.0
        return (before + _SHARES[self.stage] * within) / sum(_SHARES.values())


class ProgressFile:
    """The newest progress and nothing else, replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: Progress | None = None

    def tell(self, progress: Progress) -> None:
        if progress == self._told:
            return
        self._told = progress
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(asdict(progress)), encoding="utf-8")
        new.replace(self._path)

    def read(self) -> Progress | None:
        """None where nothing was told yet."""
        with suppress(FileNotFoundError):
            told = json.loads(self._path.read_text("utf-8"))
            return Progress(Stage(told["stage"]), told["done"], told["of"])
        return None

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)
