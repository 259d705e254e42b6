"""Titles that somebody had asked again, put into the store."""

from datetime import datetime

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.again.store import Press, add_presses
from manga_enrichment_tests.builders import BUCKET
from manga_enrichment_tests.fakes import START


def pressed(
    tables: ObjectStore,
    *numbers: tuple[str, str, int],
    at: datetime = START,
    because: str = "it names the killer",
) -> None:
    """numbers: (manga_id, analysis, number) each."""
    add_presses(
        tables,
        BUCKET,
        lambda _known: [Press(*each, asked=each[1], by="ed", at=at, because=because) for each in numbers],
    )
