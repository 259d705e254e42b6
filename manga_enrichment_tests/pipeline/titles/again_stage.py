"""A catalog in memory with a night's answers, and people who have some of it asked again.

Belongs here: what the tests of asking again share. Stays out: the world itself (`manga_enrichment_tests/builders.py`).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from manga_enrichment.domain.trials.canary import Canary
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.engine.invocation import InvokeGateways
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.pipeline.titles.ask_again import AgainReport, AskingAgain
from manga_enrichment.pipeline.titles.press import Pressing, Wish
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, MODELS, World, put_catalog, record, title_id

LEVEL, SUMMARY = "reading_level", "content_summary"
TITLES = 6


class AgainStage:
    """Six titles after a night. asked_before: calls of that night."""

    def __init__(self, selected: Sequence[str] = (LEVEL,), titles: int = TITLES) -> None:
        self.world = World()
        self.selected = selected
        put_catalog(self.world.tables, [record(number) for number in range(1, titles + 1)])
        self.night("night-1")
        self.asked_before = len(self.world.model.sent)
        self.canaries: list[Canary] = []

    def night(self, run_id: str) -> None:
        self.world.run(run_id, self.selected)
        write_enriched(self.world.tables, BUCKET, list(ANALYSES.values()), Origin(run_id, self.world.clock.now()))
        self.world.clock.advance(60)

    @property
    def asked(self) -> int:
        """Calls since the night."""
        return len(self.world.model.sent) - self.asked_before

    def wish(self, *numbers: int, analysis: str = LEVEL, by: str = "ed", because: str = "it names the killer") -> Wish:
        return Wish(ANALYSES[analysis], tuple(map(title_id, numbers)), by, because)

    def pressing(self, tables: Any = None, ledger: Any = None) -> Pressing:
        world = self.world
        return Pressing(
            tables=tables or world.tables,
            ledger=ledger or world.ledger,
            analyses=ANALYSES,
            models=MODELS,
            bucket_count=1,
            canaries=self.canaries,
        )

    def asking(self, tables: Any = None, ledger: Any = None, budget: Any = None) -> AskingAgain:
        world = self.world
        gateways = InvokeGateways(
            ledger or world.ledger, budget or world.budget, world.senders, world.open_model, world.clock
        )
        pressing = self.pressing(tables, ledger)
        return AskingAgain(pressing, tables or world.tables, gateways, world.status, world.settings, lambda _line: None)

    def ask(self, wish: Wish, run_id: str = "again-1") -> AgainReport:
        report = self.asking().ask(wish, run_id, "1")
        self.world.clock.advance(60)
        return report

    def fingerprints(self, name: str = LEVEL) -> dict[str, str]:
        return {manga_id: row["fingerprint"] for manga_id, row in self.world.answers(name).items()}

    def whys(self, run_ids: Iterable[str]) -> list[str]:
        return [row["why"] for row in self.world.log() if row["dagster_run_id"] in set(run_ids) and row["attempt"]]
