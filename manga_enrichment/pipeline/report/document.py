"""What all pages of ours have in common: where templates are, that everything is escaped, how numbers are said.

Belongs here: the environment of templates, filters of any page, tables as plain data. Stays out: what a page
shows (`page.py`, `pipeline/trials/page.py`), the markup that they share (`templates/document.html`).

A page asks the network for nothing, and its own content policy forbids it to; texts of titles and models are escaped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from manga_enrichment.domain.models.usage import usd

_OWN = "manga_enrichment.pipeline.report"


def page_environment(*rooms: str) -> Environment:
    """rooms: packages with templates of their own, beside those of all pages."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(room) for room in (*rooms, _OWN)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"usd": money, "thousands": thousands, "words": words, "codes": with_codes}
    return environment


def with_codes(text: str) -> Markup:
    """A sentence of ours, what stands in backticks as code; all of it escaped."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def money(micro_usd: float) -> str:
    """USD with as many decimals as a small amount needs."""
    amount = usd(int(micro_usd))
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:,.4f}"


def thousands(number: int) -> str:
    return f"{number:,}"


def words(name: str | None) -> str:
    return (name or "–").replace("_", " ")


@dataclass(frozen=True, slots=True)
class Cell:
    """text is escaped. href: where it leads, "" nowhere. more: a second line. tone: good, bad, wait or ""."""

    text: str
    href: str = ""
    more: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """texts: so many first columns are words, the others figures. total: the last row, as long as the others, or ()."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] = ()
    texts: int = 1


def table(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Cell]],
    *,
    total: Sequence[str | Cell] = (),
    texts: int = 1,
) -> Table:
    """Plain texts become cells. Raises ValueError for a row that is not as long as the headings."""
    made = Table(caption, tuple(headings), tuple(map(_cells, rows)), _cells(total), texts)
    if any(len(row) != len(made.headings) for row in (*made.rows, *([made.total] if made.total else []))):
        raise ValueError(f"{caption}: a row and its {len(made.headings)} headings are not equally long")
    return made


def _cells(row: Sequence[str | Cell]) -> tuple[Cell, ...]:
    return tuple(each if isinstance(each, Cell) else Cell(each) for each in row)
