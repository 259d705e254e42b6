"""The matrix: which fault strikes which service at which moment of what, and for how long.

Belongs here: the cells, what is left out of the whole and why, the quick diagonal. Stays out: how a cell is run
(`night.py`, `drain.py`) and judged (`judge.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from manga_enrichment_tests.chaos.faults import Fault, Service, Stroke, can_have, is_document
from manga_enrichment_tests.chaos.moments import DRAIN, NIGHT, Moment, MomentName

SECONDS = 8.0
REFUSED_SECONDS = 16.0
"""Longer than the SDK's own five tries: they take 15 s at most."""
AWAY_ROUNDS, AWAY_SECONDS = 4, 90.0
"""A store or a queue that is away from a drain is so for four visibility timeouts, one more than SQS has patience for;
at most so many seconds of the machine."""
BESIDE_SECONDS = 15.0
"""Longer than the claim of a night that is dead would stand in another's way."""
SHARES = {Fault.RESET_AFTER: 0.25, Fault.RESET_MIDWAY: 0.5}
"""Were all answers lost, nothing would ever get through; what matters is what becomes of those that were."""


class Work(StrEnum):
    NIGHT = "night"
    DRAIN = "drain"


class Variant(StrEnum):
    """killed: kill -9 of the process meanwhile. beside: a second night over the same titles, which nothing strikes."""

    NONE = ""
    KILLED = "killed"
    BESIDE = "another beside it"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix."""

    work: Work
    service: Service
    moment: MomentName
    stroke: Stroke
    variant: Variant = Variant.NONE

    @property
    def begins(self) -> Moment:
        return (NIGHT if self.work is Work.NIGHT else DRAIN)[self.moment]

    @property
    def rounds(self) -> int | None:
        """A drain's fault ends after so many rounds of it, if not before; None: only by its time."""
        is_braked = self.work is Work.DRAIN and self.stroke.fault is Fault.BRAKE
        return AWAY_ROUNDS if is_braked or _is_away(self.work, self.service, self.stroke.fault) else None

    @property
    def may_fail(self) -> bool:
        """Whether the run may end without success: what was denied stays denied until somebody mends it."""
        return self.stroke.fault is Fault.DENIED

    @property
    def may_lose_answers(self) -> bool:
        """Whether one may be lost on its way: because the model is struck, or who waits for it is killed."""
        return self.service is Service.BEDROCK or self.variant is Variant.KILLED

    def __str__(self) -> str:
        fault = self.stroke.fault.value.replace("_", " ")
        if self.stroke.fault is Fault.BRAKE:
            return f"{self.work}: brake from {self.moment}" + (f", {self.variant}" if self.variant else "")
        share = f", {self.stroke.share:.0%}" if self.stroke.share < 1 else ""
        rounds = f"{self.rounds} rounds or " if self.rounds else ""
        variant = f", {self.variant}" if self.variant else ""
        return (
            f"{self.work}: {self.service} {fault}{share} from {self.moment}, {rounds}{self.stroke.seconds:g} s{variant}"
        )


_NIGHT_MOMENTS = {
    Service.S3: (MomentName.IMPORT, MomentName.PLAN, MomentName.INVOKE, MomentName.WRITE),
    Service.DYNAMODB: (MomentName.PLAN, MomentName.INVOKE, MomentName.WRITE),
    Service.BEDROCK: (MomentName.INVOKE_BEGINS, MomentName.INVOKE),
}
_DRAIN_MOMENTS = {
    Service.SQS: (MomentName.TICK, MomentName.PLAN, MomentName.INVOKE, MomentName.SETTLE),
    Service.S3: (MomentName.TICK, MomentName.PLAN, MomentName.INVOKE, MomentName.SETTLE),
    Service.DYNAMODB: (MomentName.TICK, MomentName.PLAN, MomentName.INVOKE, MomentName.SETTLE),
    Service.BEDROCK: (MomentName.INVOKE_BEGINS, MomentName.INVOKE),
}
"""Where a service is asked at all: an import asks no DynamoDB, a plan no model, a night no queue."""


def stroke_of(fault: Fault, seconds: float | None = None) -> Stroke:
    """The stroke that a cell uses for a fault; the first request is always struck. seconds: other than usual."""
    usual = REFUSED_SECONDS if fault is Fault.REFUSED else SECONDS
    drawn = (Stroke(fault, seconds or usual, share=SHARES.get(fault, 1.0), seed=seed) for seed in count())
    return next(stroke for stroke in drawn if stroke.draws().random() < stroke.share)


def matrix() -> Iterator[Cell]:
    """All of it."""
    yield from _of_faults()
    for work in Work:
        yield from (brake_cell(work, variant) for variant in (Variant.NONE, Variant.KILLED))
    hole = stroke_of(Fault.BLACK_HOLE, BESIDE_SECONDS)
    yield Cell(Work.NIGHT, Service.S3, MomentName.INVOKE, hole, Variant.BESIDE)


def brake_cell(work: Work, variant: Variant) -> Cell:
    """The brake is put on while calls are at the model. Its row lies in DynamoDB, which does nothing wrong."""
    return Cell(work, Service.DYNAMODB, MomentName.INVOKE, Stroke(Fault.BRAKE, SECONDS), variant)


def _of_faults() -> Iterator[Cell]:
    """service × fault × moment."""
    for work, moments in ((Work.NIGHT, _NIGHT_MOMENTS), (Work.DRAIN, _DRAIN_MOMENTS)):
        for service, names in moments.items():
            for fault in Fault:
                if can_have(service, fault):
                    seconds = AWAY_SECONDS if _is_away(work, service, fault) else None
                    yield from (Cell(work, service, name, stroke_of(fault, seconds)) for name in names)


def _is_away(work: Work, service: Service, fault: Fault) -> bool:
    """Whether a drain's every request to this service fails at once: nothing can be done but to come again."""
    return (
        work is Work.DRAIN
        and service is not Service.BEDROCK
        and (fault is Fault.REFUSED or is_document(service, fault))
    )


def diagonal() -> list[Cell]:
    """Each service and kind of fault once or more, short, and the faults that were ever found to cost money."""
    return [
        Cell(Work.NIGHT, Service.S3, MomentName.INVOKE, stroke_of(Fault.RESET_MIDWAY, 1)),
        Cell(Work.NIGHT, Service.DYNAMODB, MomentName.INVOKE, stroke_of(Fault.EXPIRED, 1)),
        Cell(Work.NIGHT, Service.DYNAMODB, MomentName.PLAN, stroke_of(Fault.REFUSED, 4)),
        Cell(Work.NIGHT, Service.BEDROCK, MomentName.INVOKE, stroke_of(Fault.RESET_AFTER, 4)),
        Cell(Work.NIGHT, Service.BEDROCK, MomentName.INVOKE_BEGINS, stroke_of(Fault.REFUSED, 4)),
        Cell(Work.NIGHT, Service.BEDROCK, MomentName.INVOKE, stroke_of(Fault.FORGED_USAGE, 1)),
        Cell(Work.DRAIN, Service.DYNAMODB, MomentName.TICK, stroke_of(Fault.DENIED, 6)),
        Cell(Work.DRAIN, Service.S3, MomentName.SETTLE, stroke_of(Fault.SERVER_ERROR, 3)),
    ]
