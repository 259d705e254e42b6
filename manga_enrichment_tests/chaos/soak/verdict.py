"""What must hold after a soak: the books' rules of every cell, and those of an hour.

Belongs here: the last readings, the rules put together. Stays out: each rule (`manga_enrichment_tests/chaos/judge.py`,
`memory.py`).
"""

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from manga_enrichment.defs.operations.killed_runs import pid_of
from manga_enrichment_tests.chaos.judge import Auditor, Facts, Rule, judge
from manga_enrichment_tests.chaos.processes import Ending
from manga_enrichment_tests.chaos.soak.day import KILL_SECONDS, MIX, Day
from manga_enrichment_tests.chaos.soak.memory import RunPeak, flat, no_higher
from manga_enrichment_tests.chaos.soak.servers import SERVERS

_LATER = timedelta(hours=1)
"""When everything that a dead spender had set aside is over."""
_LEAST_SHARE = 0.5
"""Of the kills that there is time for: one waits until some run is going on."""


def read_facts(day: Day, auditor: Auditor, rest: list[str], limit_seconds: float, soaked_seconds: float) -> Facts:
    """A night that mends what is left, another that has nothing to ask, and the books.

    rest: what did not come to rest before.
    """
    mended = day.whole_night(limit_seconds)
    quiet_from = day.clock.now()
    quiet = day.whole_night(limit_seconds)
    account = auditor.account(day.clock.now() + _LATER)
    dead = day.partners.dead_letters()
    return Facts(
        struck=min(day.proxies.struck()[fault] for fault in MIX),  # each kind of fault
        seconds=soaked_seconds,
        ending=Ending(ended=not rest, success=not dead, seconds=soaked_seconds, reasons=(*dead, *rest)),
        account=account,
        lost=(*auditor.lost_titles(), *day.partners.lost()),
        unhealed=(*mended, *quiet, *auditor.waiting_titles()),
        needless=len(auditor.sent_since(quiet_from)),
        model_struck=True,
    )


def verdict(day: Day, facts: Facts, soaked_seconds: float) -> list[Rule]:
    """Every rule."""
    kills, least = day.done["kills"], int(soaked_seconds / KILL_SECONDS * _LEAST_SHARE)
    servers = [
        flat(name, [each for each in day.memory.servers[name] if each.at_seconds <= soaked_seconds]) for name in SERVERS
    ]
    return [
        *judge(facts),
        Rule("killed", kills >= max(1, least), f"{kills} runs were killed, at least {max(1, least)} should be"),
        Rule("arranged", not day.mishaps, "; ".join(day.mishaps[:3]) or "nothing went wrong with the soak itself"),
        Rule("up", not day.servers.have_ended, f"Dagster's servers {'ended' if day.servers.have_ended else 'run'}"),
        *servers,
        *no_higher(peaks(day), soaked_seconds),
    ]


def peaks(day: Day) -> Iterable[RunPeak]:
    """Of every run whose process was seen."""
    for run in day.instance.get_runs():
        pid = pid_of(day.instance, run.run_id)
        if pid in day.memory.runs:
            at_seconds, peak = day.memory.runs[pid]
            yield RunPeak(_kind(run), at_seconds, peak)


def _kind(run: dg.DagsterRun) -> str:
    """Backfills have a job without a name that means anything."""
    return "backfill" if run.job_name.startswith("__") else run.job_name
