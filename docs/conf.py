"""How `make docs` makes a site of the pages: Sphinx, Markdown by MyST, every link and anchor checked.

The pages stay what they are on a code host: what only a site needs, its order, is added here while they are read.
"""

from sphinx.application import Sphinx

project = "manga_enrichment"
extensions = ["myst_parser"]
root_doc = "README"
myst_heading_anchors = 4
highlight_language = "text"
nitpicky = True
html_theme = "furo"
html_title = "manga_enrichment"
html_extra_path = ["site"]
html_show_copyright = False

ORDER = {
    "First": ["docs/five_minutes", "CONTRIBUTING", "docs/architecture", "docs/glossary", "docs/debugging"],
    "Analysts": ["docs/analysts", "docs/browse", "docs/corrections", "docs/catalog", "docs/tables"],
    "Operators": [
        "docs/aws", "docs/runbook", "docs/monitoring", "docs/batch", "docs/reliability", "docs/retention",
        "docs/settings", "docs/models", "docs/capacity", "deploy/own/README",
    ],
    "Partners": ["docs/partners", "docs/api", "docs/callbacks", "data/batches/README"],
    "Prompt writers": ["docs/analyses", "docs/trials"],
    "Why": [
        "docs/decisions/README", "docs/benchmarks", "findings/README", "manga_enrichment/local/model_server/README",
        "CHANGELOG",
    ],
}  # fmt: skip


include_patterns = [
    "README.md",
    "docs/**.md",  # one that has no place is an error
    *(f"{page}.md" for pages in ORDER.values() for page in pages),
]


def add_order(_app: Sphinx, docname: str, source: list[str]) -> None:
    """The contents beside every page; a page that is in none of them is an error of the build."""
    if docname == root_doc:
        source[0] += "".join(_contents(caption, pages) for caption, pages in ORDER.items())
    elif docname == "docs/decisions/README":
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\n0*\n```\n"


def _contents(caption: str, pages: list[str]) -> str:
    return "\n".join(
        ["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *(f"/{page}" for page in pages), "```", ""]
    )


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_order)
