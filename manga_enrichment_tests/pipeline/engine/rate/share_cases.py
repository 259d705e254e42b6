"""The simulated cases of senders that share a quota, and what each must reach: for tests, and for `benchmarks shares`.

6,000 calls a minute, 0.2 to 1 s latency, virtual time. A case is judged in a span of seconds of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from manga_enrichment_tests.pipeline.engine.rate.quota_simulation import Quota, Sender, Simulation

PER_MINUTE = 6_000
WINDOWS = {"bucket": None, "1 s window": 1.0, "60 s window": 60.0}
WEIGHTS: Sequence[tuple[str, Sequence[float]]] = (
    ("1", [1]),
    ("1:1", [1, 1]),
    ("four equal", [1] * 4),
    ("eight equal", [1] * 8),
    ("32 equal", [1] * 32),
    ("8:4:2:1", [8, 4, 2, 1]),
    ("16 : seven of 1", [16, *[1] * 7]),
)


@dataclass(frozen=True, slots=True)
class ShareCase:
    """least_use, most_refused and most_unfair are what it must reach from `since` to `until` (seconds).

    due         of each sender, calls/s; none: by their weights
    more        of the simulation: what happens in it
    """

    name: str
    told: bool
    senders: Sequence[Sender]
    least_use: float
    most_refused: float
    most_unfair: float = 0.05
    window_seconds: float | None = None
    since: float = 240.0
    until: float = 480.0
    due: Sequence[float] = ()
    per_minute: float = PER_MINUTE
    more: dict[str, Any] = field(default_factory=dict)

    def measured(self) -> dict[str, Any]:
        """One row: use of the quota, refused share, who got most and least of what was due."""
        quota = Quota(self.more.get("from_per_minute", self.per_minute), window_seconds=self.window_seconds)
        given = {name: value for name, value in self.more.items() if name != "from_per_minute"}
        run = Simulation(quota, self.senders, **given).run(self.until)
        shares = run.fair_shares(self.since, self.until)
        if self.due:
            got = run.got(self.since, self.until)
            shares = [mine / due for mine, due in zip(got, self.due, strict=True) if due]
        return {
            "case": self.name,
            "told": "told" if self.told else "untold",
            "use": round(run.accepted_per_minute(self.since, self.until) / self.per_minute, 3),
            "refused": round(run.throttled_share(self.since, self.until), 4),
            "least_of_due": round(min(shares), 2),
            "most_of_due": round(max(shares), 2),
        }

    def faults(self, row: dict[str, Any]) -> list[str]:
        found = []
        if row["use"] < self.least_use:
            found.append(f"use {row['use']} < {self.least_use}")
        if row["refused"] > self.most_refused:
            found.append(f"refused {row['refused']} > {self.most_refused}")
        if not 1 - self.most_unfair <= row["least_of_due"] <= row["most_of_due"] <= 1 + self.most_unfair:
            found.append(f"shares {row['least_of_due']} to {row['most_of_due']}, not within {self.most_unfair}")
        return found


def _least_use(told: bool, weights: Sequence[float]) -> float:
    return 0.985 if told else 0.95


def sender(told: bool, weight: float = 1.0, **more: Any) -> Sender:
    return Sender(told_requests=PER_MINUTE if told else None, weight=weight, **more)


def steady_cases() -> Iterator[ShareCase]:
    """All combinations of services, weights and knowledge, from the fifth minute on, some over eight windows."""
    for told in (True, False):
        for service, window_seconds in WINDOWS.items():
            for name, weights in WEIGHTS:
                is_window = window_seconds == 60.0 and not told
                is_hard = is_window and len(weights) == 32
                yield ShareCase(
                    f"{name}, {service}",
                    told,
                    [sender(told, weight) for weight in weights],
                    least_use=_least_use(told, weights),
                    # More than wished for: so many, told nothing of such a window, have some calls refused each.
                    most_refused=0.025 if is_hard else (0.002 if told else 0.007),
                    most_unfair=0.1 if is_window else 0.05,
                    window_seconds=window_seconds,
                    until=720.0 if is_window else 480.0,
                )


def happenings(told: bool) -> Iterator[ShareCase]:
    """What lanes, tables and quotas do. A lane that has left, sleeps or is dead has nothing due."""
    one, sixteen = sender(told), 16.0
    all_of_it = [99.0 if told else 100.0, 0.0]
    most = 0.002 if told else 0.0075
    yield ShareCase(
        "16 wakes beside 1: the 10 s from its fourth second on",
        told,
        [one, sender(told, sixteen, asks_during=[(200.0, 999.0)])],
        0.95,
        0.01,
        0.1,
        since=204.0,
        until=214.0,
        due=[0.0, 93.2],
    )
    yield ShareCase(
        "16 wakes beside 1: from its tenth second on",
        told,
        [one, sender(told, sixteen, asks_during=[(200.0, 999.0)])],
        0.96,
        0.01,
        0.1,
        since=210.0,
        until=270.0,
    )
    for name, more in (
        ("sleeps", {"asks_during": [(0.0, 200.0)]}),
        ("leaves", {"leaves_at": 200.0}),
        ("is killed", {"killed_at": 200.0}),
    ):
        yield ShareCase(
            f"16 {name} beside 1: from the tenth second on",
            told,
            [one, sender(told, sixteen, **more)],
            0.97,
            most,
            0.05,
            since=210.0,
            until=240.0,
            due=all_of_it,
        )
    yield ShareCase(
        "1 of 1:4 cannot reach the table for 100 s",
        told,
        [sender(told, cut_off=(200.0, 300.0)), sender(told, 4.0)],
        0.98 if told else 0.95,
        0.012,  # for the other one it is gone
        0.3 if told else 0.2,
        since=205.0,
        until=300.0,
    )
    yield ShareCase(
        "strangers take 30 of 100 calls/s",
        told,
        [one, sender(told, 4.0)],
        0.9,
        0.012,
        0.2,
        since=240.0,
        until=400.0,
        per_minute=PER_MINUTE * 0.7,
        more={"from_per_minute": PER_MINUTE, "strangers": [(100.0, 999.0, 30.0)]},
    )


def changing_cases() -> Iterator[ShareCase]:
    """An untold quota that changes."""
    for name, senders in (("one", [sender(False)]), ("8:4:2:1", [sender(False, weight) for weight in (8, 4, 2, 1)])):
        yield ShareCase(
            f"quota halves: {name}, the second minute after",
            False,
            senders,
            0.95,
            0.0075,
            0.1,
            since=360.0,
            until=480.0,
            per_minute=PER_MINUTE / 2,
            more={"from_per_minute": PER_MINUTE, "changes": [(300.0, PER_MINUTE / 2)]},
        )
        yield ShareCase(
            f"a tenth of the quota for a minute: {name}, the second minute after",
            False,
            senders,
            0.95,
            0.0075,
            0.1,
            since=720.0,
            until=780.0,
            more={"changes": [(600.0, PER_MINUTE / 10), (660.0, PER_MINUTE)]},
        )


def all_cases() -> list[ShareCase]:
    return [*steady_cases(), *happenings(True), *happenings(False), *changing_cases()]
