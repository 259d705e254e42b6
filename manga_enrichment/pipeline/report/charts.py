"""The report's charts, drawn by matplotlib: as SVG that takes its colours from the page, or as PNG for the Dagster UI.

Belongs here: one function per chart over plain numbers, and the two outputs. Stays out: what is drawn
(`facts.py`), where it stands (`page.py`).

matplotlib knows colours, not CSS variables: an SVG is drawn in stand-in colours that stand for a variable each, which
are replaced in its text. So one drawing serves light and dark. Figures are made without pyplot, which keeps state.
"""

import base64
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

SERIES = 6
"""Colours of things that are beside one another and no better or worse, such as analyses."""
GOOD, BAD, WAIT, NONE, PLAIN = range(SERIES, SERIES + 5)
"""Colours that mean one thing on every page: well; wrong; waits, or is worth a look; nobody can help it; no meaning."""
_WIDTH_INCHES = 4.6
_TEXT_POINTS = 11.5  # at the width of a phone 11 pixels, and less is hard to read
_NAMES = [*(f"--series-{number + 1}" for number in range(SERIES)), "--good", "--bad", "--wait", "--none", "--plain"]
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be selected, and it takes the page's font
    "text.parse_math": False,
    "font.size": _TEXT_POINTS,
    "font.family": "sans-serif",
    "axes.linewidth": 0.6,
}
_UNUSED = re.compile(r'<g id="[^"]*">')
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_OWN_STYLE = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Palette:
    """ink: text and axes; grid: faint lines; surface: between touching areas; series: SERIES of them told apart also
    by grey, then those with a meaning."""

    ink: str
    grid: str
    surface: str
    series: tuple[str, ...]


STAND_INS = Palette("#fe0101", "#fe0102", "#fe0103", tuple(f"#fe02{number:02x}" for number in range(len(_NAMES))))
_BESIDE = ("#1d4f91", "#7fa8d8", "#5b3fa0", "#a995dd", "#0e7490", "#79bccb")
_WITH_A_MEANING = ("#24785a", "#b3261e", "#a85b00", "#7b8698", "#4a5263")
PRINT = Palette("#3b4252", "#d9dde4", "#ffffff", (*_BESIDE, *_WITH_A_MEANING))
Draw = Callable[[Axes, Palette], None]


@dataclass(frozen=True, slots=True)
class Chart:
    """height_inches at a width of 4.6, which is what a phone shows at about its true size."""

    name: str
    title: str
    says: str
    draw: Draw
    height_inches: float = 2.3

    def svg(self) -> str:
        """An `<svg>` element for an HTML page that defines --ink, --grid, --surface and what is in _NAMES."""
        buffer = io.StringIO()
        self._save(buffer, STAND_INS, "svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        text = _OWN_STYLE.sub("", _PROLOGUE.sub("", buffer.getvalue(), count=1))
        text = re.sub(r"^<svg[^>]*>", _open_tag, text, count=1)
        text = _UNUSED.sub("<g>", text)
        names = {STAND_INS.ink: "--ink", STAND_INS.grid: "--grid", STAND_INS.surface: "--surface"}
        names |= dict(zip(STAND_INS.series, _NAMES, strict=True))
        return re.sub("#fe0[12][0-9a-f]{2}", lambda match: f"var({names[match[0]]})", text).strip()

    def png_uri(self) -> str:
        """`data:` URI on a white ground."""
        buffer = io.BytesIO()
        self._save(buffer, PRINT, "png", dpi=110, facecolor=PRINT.surface)
        return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"

    def _save(self, target: io.StringIO | io.BytesIO, palette: Palette, kind: str, **options: object) -> None:
        with mpl.rc_context({**_STYLE, "svg.hashsalt": self.name}):
            figure = Figure(figsize=(_WIDTH_INCHES, self.height_inches), layout="constrained")
            figure.patch.set_alpha(0.0 if kind == "svg" else 1.0)
            axes = figure.add_subplot()
            axes.set_facecolor("none")
            _dress(axes, palette)
            self.draw(axes, palette)
            figure.savefig(target, format=kind, **options)  # type: ignore[arg-type]


def stacked_bars(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    colors: Sequence[int],
    *,
    unit: Callable[[float], str] | None = None,
) -> Draw:
    """Bars over labels (days, oldest first); series: name -> one value per label; colors: one each."""

    def draw(axes: Axes, palette: Palette) -> None:
        bottom = [0.0] * len(labels)
        look: dict[str, Any] = {"width": min(0.8, 0.09 * len(labels) + 0.1), "edgecolor": palette.surface}
        for (name, values), number in zip(series.items(), colors, strict=True):
            color = palette.series[number]
            axes.bar(range(len(labels)), values, bottom=bottom, color=color, linewidth=0.6, label=name, **look)
            bottom = [low + value for low, value in zip(bottom, values, strict=True)]
        every = -(-len(labels) // 5)
        axes.set_xticks(list(range(len(labels)))[::-1][::every], list(labels)[::-1][::every])
        axes.set_xlim(-0.6, len(labels) - 0.4)
        axes.set_ylim(0, max(bottom, default=0) * 1.08 or 1)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        if unit is not None:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: unit(value)))
        axes.grid(axis="y", color=palette.grid, linewidth=0.6)
        if len(series) > 1:
            _legend(axes, palette)

    return draw


def stacked_shares(rows: Mapping[str, Mapping[str, float]], series: Mapping[str, int]) -> Draw:
    """One bar per row, with counts on it; rows: label -> part -> count; series: part -> its colour, in order."""

    def draw(axes: Axes, palette: Palette) -> None:
        labels = list(rows)
        left = [0.0] * len(labels)
        for part, number in series.items():
            shares = [100 * rows[label][part] / (sum(rows[label].values()) or 1) for label in labels]
            bars = axes.barh(
                labels,
                shares,
                left=left,
                height=0.62,
                color=palette.series[number],
                edgecolor=palette.surface,
                linewidth=0.8,
                label=part,
            )
            known = [rows[label][part] for label in labels]
            names = [f"{count:,}" if share >= 14 else "" for count, share in zip(known, shares, strict=True)]
            axes.bar_label(bars, names, label_type="center", color=palette.surface, fontweight="bold")
            left = [start + share for start, share in zip(left, shares, strict=True)]
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        _legend(axes, palette)

    return draw


def percentile_dots(rows: Mapping[str, Sequence[float]], names: Sequence[str], unit: str) -> Draw:
    """One line per row from the first to the last percentile; rows: label -> values, ascending."""

    def draw(axes: Axes, palette: Palette) -> None:
        for position, values in enumerate(rows.values()):
            axes.plot([values[0], values[-1]], [position] * 2, color=palette.grid, linewidth=3, zorder=1)
        for number, (name, marker) in enumerate(zip(names, "osD", strict=False)):
            axes.scatter(
                [values[number] for values in rows.values()],
                range(len(rows)),
                s=38,
                marker=marker,
                color=palette.series[PLAIN],
                label=name,
                zorder=2,
            )
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(unit, color=palette.ink)
        axes.grid(axis="x", color=palette.grid, linewidth=0.6)
        _legend(axes, palette)

    return draw


def steps(labels: Sequence[str], values: Sequence[float | None], *, color: int, limit: float | None = None) -> Draw:
    """A level over time, with a gap where it is unknown; limit: a dashed line where worry begins."""

    def draw(axes: Axes, palette: Palette) -> None:
        heights = [float("nan") if value is None else value for value in values]
        marker = "o" if len(values) < 40 else None
        axes.step(range(len(values)), heights, where="mid", color=palette.series[color], marker=marker, markersize=3)
        known = [value for value in values if value is not None]
        if limit is not None:
            axes.axhline(limit, color=palette.series[WAIT], linewidth=1, linestyle=(0, (4, 3)))
        every = -(-len(labels) // 3)
        axes.set_xticks(range(len(labels))[::-1][::every], list(labels)[::-1][::every])
        axes.set_ylim(0, max([*known, limit or 0, 1]) * 1.15)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.grid(axis="y", color=palette.grid, linewidth=0.6)

    return draw


def _open_tag(match: re.Match[str]) -> str:
    """Only the view box is kept: the page gives the size, the figure around it the name."""
    box = re.search(r'viewBox="[^"]*"', match[0])
    return f'<svg {box[0] if box else ""} xmlns:xlink="http://www.w3.org/1999/xlink" aria-hidden="true">'


def _dress(axes: Axes, palette: Palette) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(palette.grid)
    axes.tick_params(colors=palette.ink, length=0)
    axes.set_axisbelow(True)


def _legend(axes: Axes, palette: Palette) -> None:
    axes.figure.legend(
        loc="outside upper left",
        ncols=2 if any(len(text) > 9 for text in axes.get_legend_handles_labels()[1]) else 3,
        frameon=False,
        labelcolor=palette.ink,
        handlelength=1,
        columnspacing=1.2,
        borderaxespad=0.2,
    )
