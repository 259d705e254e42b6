"""The pictures of a trial's page: agreement by field with its interval, and what agreement costs.

Belongs here: drawing over plain numbers. Stays out: where they stand (`page.py`), how a chart becomes SVG
(`pipeline/report/charts.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from manga_enrichment.domain.trials.intervals import Interval
from manga_enrichment.pipeline.report.charts import SERIES, Draw, Palette

_MARKERS = "osD^vP"


@dataclass(frozen=True, slots=True)
class Point:
    """One contender in the plane of cost and agreement."""

    name: str
    usd_per_thousand: float
    agreement: Interval
    is_on_front: bool


def intervals(rows: Mapping[str, Mapping[str, Interval]]) -> Draw:
    """A line a field, on it a dot with its interval for each contender. rows: field -> contender -> agreement."""

    def draw(axes: Axes, palette: Palette) -> None:
        names = list(dict.fromkeys(name for row in rows.values() for name in row))[:SERIES]
        for number, name in enumerate(names):
            own = [(line, row[name]) for line, row in enumerate(rows.values()) if name in row]
            shift = (number - (len(names) - 1) / 2) * 0.7 / len(names)
            heights = [line + shift for line, _ in own]
            color = palette.series[number]
            axes.hlines(
                heights, [each.low for _, each in own], [each.high for _, each in own], color=color, linewidth=2
            )
            dots = [each.mean for _, each in own]
            axes.scatter(dots, heights, color=color, marker=_MARKERS[number], s=26, label=name, zorder=3)
        axes.set_yticks(range(len(rows)), [name.replace("_", " ") for name in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, 1.02)
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.grid(axis="x", color=palette.grid, linewidth=0.6)
        _legend(axes, palette)

    return draw


def cost_and_agreement(points: Sequence[Point]) -> Draw:
    """Cheaper to the left, more agreement above; those that nothing beats are joined and filled."""

    def draw(axes: Axes, palette: Palette) -> None:
        front = sorted((each for each in points if each.is_on_front), key=lambda each: each.usd_per_thousand)
        axes.plot(
            [each.usd_per_thousand for each in front],
            [each.agreement.mean for each in front],
            color=palette.series[4],
            linewidth=1,
            linestyle=(0, (4, 3)),
        )
        for number, each in enumerate(points[:SERIES]):
            color = palette.series[number]
            axes.vlines(each.usd_per_thousand, each.agreement.low, each.agreement.high, color=color, linewidth=1.4)
            axes.scatter(
                [each.usd_per_thousand],
                [each.agreement.mean],
                marker=_MARKERS[number],
                s=46,
                edgecolors=color,
                facecolors=color if each.is_on_front else palette.surface,
                label=each.name,
                zorder=3,
            )
        axes.set_xlim(left=0)
        axes.set_xlabel("USD for 1,000 titles", color=palette.ink)
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.grid(color=palette.grid, linewidth=0.6)
        _legend(axes, palette)

    return draw


def _legend(axes: Axes, palette: Palette) -> None:
    look = {"ncols": 3, "frameon": False, "labelcolor": palette.ink, "fontsize": 8.5, "handlelength": 1}
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1.2, borderaxespad=0.2, **look)
