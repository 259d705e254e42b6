"""The figures at the top of the page, each with its change since yesterday and last week.

Belongs here: which figures, their words, whether a change is good. Stays out: what was said on other days
(`figures.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from manga_enrichment.domain.operations.costs import cache_hit_rate
from manga_enrichment.pipeline.health.table_quality import coverage
from manga_enrichment.pipeline.report.document import money, thousands, words
from manga_enrichment.pipeline.report.facts import ReportFacts
from manga_enrichment.pipeline.report.figures import Change, change_of, cost_figures, with_costs
from manga_enrichment.pipeline.report.problems import dead_letters
from manga_enrichment.pipeline.report.sums import answered_of

_NONE = "–"


@dataclass(frozen=True, slots=True)
class Tile:
    """changes: (words, tone); a tone is good, bad or "": a change that is neither."""

    name: str
    value: str
    more: str = ""
    changes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Kind:
    """better: 1 the more the better, -1 the less, 0 neither. by: how a change is written, where not as shown."""

    name: str
    shown: Callable[[float], str]
    better: int = 0
    by: Callable[[float], str] | None = None

    def change(self, by: float) -> str:
        """Without its sign; shares change by points, not by per cent of themselves."""
        return (self.by or self.shown)(abs(by))


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _whole(number: float) -> str:
    return thousands(round(number))


_KINDS: Mapping[str, _Kind] = {
    "titles": _Kind("titles in the catalog", _whole),
    "coverage": _Kind("answered of what can be asked", _percent, 1, _points),
    "missing": _Kind("answers missing", _whole, -1),
    "spent": _Kind("spent today", money),
    "per_thousand": _Kind("per 1,000 answers today", money, -1),
    "throttled": _Kind("of today's calls throttled", _percent, -1, _points),
    "dead_letters": _Kind("dead letters", _whole, -1),
    "forecast": _Kind("forecast of the next night", money),
}


def figures_of(facts: ReportFacts) -> dict[str, float]:
    """By name; those that nobody knows are left out."""
    shares = [coverage(counts) for counts in facts.outcomes.values() if counts]
    found: dict[str, float] = {
        "titles": facts.titles,
        **({"coverage": min(shares)} if shares else {}),
        "missing": sum(each.answers for each in facts.failures),
        "spent": 0,
        **cost_figures(facts.costs, facts.made_at.date().isoformat()),
    }
    found.pop("calls", None)
    if facts.queues_now:
        found["dead_letters"] = dead_letters(facts)
    if facts.forecast is not None:
        found["forecast"] = sum(line.cost_micro_usd for line in facts.forecast)
    return found


def tiles(facts: ReportFacts) -> list[Tile]:
    figures, history, today = figures_of(facts), with_costs(facts.history, facts.costs), facts.made_at.date()
    more = _more(facts)
    found = [
        Tile(
            kind.name,
            kind.shown(figures[name]) if name in figures else _NONE,
            more.get(name, ""),
            _changes(kind, change_of(name, figures[name], history, today)) if name in figures else (),
        )
        for name, kind in _KINDS.items()
        if name in figures or name in ("coverage", "per_thousand")
    ]
    rate = cache_hit_rate(
        *(sum(row[name] for row in facts.costs) for name in ("cache_read_tokens", "cache_write_tokens"))
    )
    return (
        found
        if rate is None
        else [*found, Tile("of cacheable tokens from cache", _percent(rate), f"{len(facts.days)} days")]
    )


def fewest(facts: ReportFacts) -> str:
    """The analysis with the lowest coverage; "" where there is none."""
    asked = {name: counts for name, counts in facts.outcomes.items() if counts}
    return min(asked, key=lambda name: coverage(asked[name]), default="")


def _more(facts: ReportFacts) -> dict[str, str]:
    found = {"spent": f"UTC day {facts.made_at.date().isoformat()}"}
    if name := fewest(facts):
        found["coverage"] = f"{words(name)}, which has the fewest: {answered_of(facts.outcomes[name])} titles"
    if facts.forecast is not None:
        found["forecast"] = f"{thousands(sum(line.calls for line in facts.forecast))} calls"
    return found


def _changes(kind: _Kind, change: Change) -> tuple[tuple[str, str], ...]:
    since = (("yesterday", change.since_yesterday), ("last week", change.since_last_week))
    return tuple((_words(kind, by, when), _tone(kind, by)) for when, by in since if by is not None)


def _words(kind: _Kind, by: float, when: str) -> str:
    if kind.change(by) == kind.change(0):
        return f"as {when}"
    return f"{'+' if by > 0 else '−'}{kind.change(by)} since {when}"


def _tone(kind: _Kind, by: float) -> str:
    if not kind.better or kind.change(by) == kind.change(0):
        return ""
    return "good" if by * kind.better > 0 else "bad"
