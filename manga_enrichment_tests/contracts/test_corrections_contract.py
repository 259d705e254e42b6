"""Editors who speak at once are all heard, whatever keeps the objects."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from manga_enrichment.domain.labels.labels import Label, LabelKind
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.labels.store import add_labels, read_labels

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EDITORS = ("ab", "cd", "ef")


def said(analysis: str, by: str, number: int) -> Label:
    title = f"MNG-0000000{number}"
    return Label(title, analysis, "min_age", number, by, NOW, f"as {by} read it", LabelKind.CORRECTION, {"was": [by]})


def test_editors_at_once_all_succeed_and_nothing_of_theirs_is_lost(tables: ObjectStore, unique: str) -> None:
    analysis = f"level_{unique}"

    def speak(by: str) -> list[int]:
        return [add_labels(tables, [said(analysis, by, number)])[analysis] for number in range(2)]

    with ThreadPoolExecutor(len(EDITORS)) as pool:
        versions = list(pool.map(speak, EDITORS))
    kept = read_labels(tables, analysis)
    assert sorted(kept, key=lambda each: (each.by, each.manga_id)) == [
        said(analysis, by, number) for by in EDITORS for number in range(2)
    ]
    assert sorted(version for own in versions for version in own) == [1, 2, 3, 4, 5, 6]
    assert all(first < second for first, second in versions)
