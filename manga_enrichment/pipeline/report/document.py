"""What all pages of ours have in common: where templates are, that everything is escaped, how numbers are said.

Belongs here: the environment of templates, filters of any page. Stays out: what a page shows (`page.py`,
`pipeline/trials/page.py`), the markup that they share (`templates/document.html`).

A page asks the network for nothing, and its own content policy forbids it to; texts of titles and models are escaped.
"""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

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
    environment.filters |= {"usd": money, "thousands": thousands, "words": words}
    return environment


def money(micro_usd: float) -> str:
    """USD with as many decimals as a small amount needs."""
    amount = usd(int(micro_usd))
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:,.4f}"


def thousands(number: int) -> str:
    return f"{number:,}"


def words(name: str | None) -> str:
    return (name or "–").replace("_", " ")
