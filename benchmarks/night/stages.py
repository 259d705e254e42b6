"""What the steps of a night come to, and one build's beside another's.

Belongs here: pure functions from a run's times to rows and ratios. Stays out: running it (`__main__.py`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.night.watch import Held, Look, held_between, taken
from benchmarks.report import Row

TOTAL, REST = "total", "all_but_candidates"
_EXACT = {"manga_catalog": "import", "similar_candidates": "candidates", "enriched_catalog": "enriched"}
_BEGINS = {"plan": "plan", "invoke_": "invoke", "write_": "write"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step, or the time from launch to the first. cpu_s: of all processes meanwhile, by kind. peak_bytes: the most
    that a process of the run held; None where nobody looked meanwhile."""

    name: str
    wall_s: float
    cpu_s: Mapping[str, float]
    peak_bytes: int | None = None


def stage_of(step: str) -> str:
    """What no op of the night is, is a check."""
    op = step.rpartition(".")[2]
    begun = (stage for begin, stage in _BEGINS.items() if op == begin or (begin.endswith("_") and op.startswith(begin)))
    return _EXACT.get(op) or next(begun, "checks")


def steps_of(run: Mapping[str, Any], looks: list[Look], held: Sequence[Held]) -> list[Step]:
    """In the order in which they began. run: as `Console.timed` gives it."""
    stats = sorted(
        (each for each in run["stepStats"] if each["startTime"] and each["endTime"]),
        key=lambda each: float(each["startTime"]),
    )
    begun = float(stats[0]["startTime"])
    spans = [("queue", float(run["creationTime"]), begun)]
    spans += [(each["stepKey"], float(each["startTime"]), float(each["endTime"])) for each in stats]
    return [
        Step(name, end - start, taken(looks, start, end), held_between(held, start, end)) for name, start, end in spans
    ]


def by_stage(steps: Iterable[Step], total_s: float) -> dict[str, float]:
    """Wall seconds by stage, CPU seconds of runs as `<stage>_cpu`; what lies between steps is in the total alone."""
    found: dict[str, float] = defaultdict(float)
    for step in steps:
        stage = "queue" if step.name == "queue" else stage_of(step.name)
        found[stage] += step.wall_s
        found[f"{stage}_cpu"] += step.cpu_s.get("runs", 0.0)
    found[TOTAL] = total_s
    found[REST] = total_s - found["candidates"]
    return dict(found)


def step_rows(build: str, night: str, steps: Iterable[Step]) -> list[Row]:
    """A row a step, checks together."""
    walls: dict[str, float] = defaultdict(float)
    cpus: dict[str, Counter[str]] = defaultdict(Counter)
    peaks: dict[str, int] = defaultdict(int)
    for step in steps:
        name = step.name.rpartition(".")[2]
        shown = "checks" if name != "queue" and stage_of(step.name) == "checks" else name
        walls[shown] += step.wall_s
        cpus[shown].update(step.cpu_s)
        peaks[shown] = max(peaks[shown], step.peak_bytes or 0)
    kinds = ("runs", "emulator", "model", "servers")
    return [
        {
            "build": build,
            "night": night,
            "step": name,
            "wall_s": round(wall, 2),
            **{f"{kind}_cpu_s": round(cpus[name][kind], 2) for kind in kinds},
            "peak_mb": round(peaks[name] / 1e6) or None,
        }
        for name, wall in walls.items()
    ]


def ratios(
    now: Mapping[str, Mapping[str, float]], then: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """By night and stage, this build ÷ the other; what the other did not take is left out."""
    return {
        night: {
            stage: round(seconds / then[night][stage], 3)
            for stage, seconds in stages.items()
            if then[night].get(stage, 0.0) > 0.0
        }
        for night, stages in now.items()
        if night in then
    }


def model_alone_s(calls: int, latency_ms: int, slots: int) -> float:
    return calls * latency_ms / 1_000 / slots


def stage_rows(name: str, nights: Sequence[str], stages: Mapping[str, Mapping[str, float]]) -> list[Row]:
    """A row a stage, a column a night."""
    known = dict.fromkeys(stage for night in nights for stage in stages[night])
    rows: list[Row] = []
    for stage in known:
        values = {night: round(stages[night].get(stage, 0.0), 2) for night in nights}
        rows.append({"build": name, "stage": stage, **values})
    return rows
