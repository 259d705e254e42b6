"""Where a page of ours leads: runs and checks in the Dagster UI, titles in `manga-enrichment browse`.

Belongs here: addresses. Stays out: what is linked (`page.py`).
"""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Links:
    """Base addresses; "" where there is none: then nothing is linked."""

    dagster_url: str = ""
    browse_url: str = ""

    def run(self, run_id: str) -> str:
        return self._of(self.dagster_url, "runs", run_id)

    def asset(self, name: str) -> str:
        return self._of(self.dagster_url, "assets", name)

    def checks(self, asset: str) -> str:
        address = self.asset(asset)
        return f"{address}?view=checks" if address else ""

    def title(self, manga_id: str) -> str:
        return self._of(self.browse_url, "titles", manga_id)

    def _of(self, base: str, *parts: str) -> str:
        return "/".join((base.rstrip("/"), *(quote(part, safe="") for part in parts))) if base else ""
