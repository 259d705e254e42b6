"""An editor's name goes out of every version of what was said, and what was said stays."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from manga_enrichment.domain.labels.labels import Label, LabelKind
from manga_enrichment.pipeline.again.store import Press, add_presses, read_presses
from manga_enrichment.pipeline.forgetting.editors import (
    NOBODY,
    Named,
    forget_editor,
    forget_editors_again,
    is_of_editor,
)
from manga_enrichment.pipeline.forgetting.forget import Forgetting
from manga_enrichment.pipeline.labels.store import add_labels, read_labels
from manga_enrichment.pipeline.store.object_keys import again_key, forgotten_prefix, labels_key
from manga_enrichment_tests.erasure_fakes import MemoryErasure
from manga_enrichment_tests.fakes import FakeClock, MemoryBudget, MemoryLedger
from manga_enrichment_tests.outbox_fakes import MemoryOutbox
from manga_enrichment_tests.request_fakes import MemoryQueues, MemoryRequests
from manga_enrichment_tests.versioned_tables import VersionedTables

NAME = "Haruko Editorova"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAID = Label("MNG-00000001", "reading_level", "min_age", 9, NAME, NOW, "by the cover", LabelKind.CORRECTION, 12)
OTHERS = replace(SAID, by="ab", field="reading_level", value="teen", replaced="kids")
GENRE = replace(SAID, analysis="genre_classification", field="primary_genre", value="war", kind=LabelKind.LABEL)

WANTED = Press(SAID.manga_id, "reading_level", 1, "full_enrichment", NAME, NOW, "too young")


@pytest.fixture
def tables() -> VersionedTables:
    tables = VersionedTables(FakeClock())
    add_labels(tables, [SAID, GENRE])
    add_labels(tables, [OTHERS])
    add_labels(tables, [replace(OTHERS, analysis="content_summary", field="summary_en", value="x")])
    add_presses(tables, "00", lambda _known: [WANTED, replace(WANTED, analysis="content_summary", by="ab")])
    add_presses(tables, "00", lambda _known: [replace(WANTED, number=2, because="still too young")])
    add_presses(tables, "01", lambda _known: [replace(WANTED, by="ab")])
    return tables


@pytest.fixture
def erasure(tables: VersionedTables) -> MemoryErasure:
    return erasure_of(tables)


def erasure_of(tables: VersionedTables) -> MemoryErasure:
    clock = FakeClock()
    return MemoryErasure(tables, MemoryRequests(clock), MemoryOutbox(), MemoryLedger(clock, MemoryBudget()))


def kept(tables: VersionedTables) -> list[bytes]:
    return [each.body or b"" for versions in tables.versions.values() for each in versions]


def test_the_name_is_nowhere_and_what_was_said_stands(tables: VersionedTables, erasure: MemoryErasure) -> None:
    assert any(NAME.encode() in body for body in kept(tables))
    assert forget_editor(erasure, tables, NAME, dry_run=False) == Named(labels=2, asked_again=2)
    assert not any(NAME.encode() in body for body in kept(tables))
    assert read_labels(tables, "reading_level") == [replace(SAID, by=NOBODY), OTHERS]
    assert read_labels(tables, "genre_classification") == [replace(GENRE, by=NOBODY)]
    assert len(tables.versions[labels_key("content_summary")]) == 1
    assert not forget_editor(erasure, tables, NAME, dry_run=False)


def test_numbers_of_what_was_asked_again_and_reasons_stay(tables: VersionedTables, erasure: MemoryErasure) -> None:
    before = read_presses(tables, "00")
    assert {each.by for each in before.rows} == {NAME, "ab"}
    forget_editor(erasure, tables, NAME, dry_run=False)
    after = read_presses(tables, "00")
    assert after.rows == tuple(replace(each, by=NOBODY if each.by == NAME else each.by) for each in before.rows)
    assert after.numbers == before.numbers == {SAID.manga_id: {"reading_level": 2, "content_summary": 1}}
    assert after.has(SAID.manga_id, "reading_level", WANTED.because)
    assert [each.by for each in read_presses(tables, "01").rows] == ["ab"]
    assert len(tables.versions[again_key("01")]) == 1


def test_a_name_that_only_had_titles_asked_again_is_forgotten_too() -> None:
    tables = VersionedTables(FakeClock())
    add_presses(tables, "00", lambda _known: [WANTED])
    erasure = erasure_of(tables)
    restored = tables.read(again_key("00"))
    assert restored is not None
    assert forget_editor(erasure, tables, NAME, dry_run=False) == Named(asked_again=1)
    tables.write(again_key("00"), restored.table)
    assert forget_editors_again(erasure, tables, dry_run=False) == Named(asked_again=1)
    assert not any(NAME.encode() in body for body in kept(tables))


def test_a_dry_run_and_a_name_that_nobody_has_change_nothing(tables: VersionedTables, erasure: MemoryErasure) -> None:
    before = kept(tables)
    assert forget_editor(erasure, tables, NAME, dry_run=True) == Named(labels=2, asked_again=2)
    assert not forget_editor(erasure, tables, "Haruko", dry_run=False)
    assert kept(tables) == before


def test_after_a_restore_it_is_forgotten_again_by_a_digest(tables: VersionedTables, erasure: MemoryErasure) -> None:
    restored = tables.read(labels_key("reading_level"))
    assert restored is not None
    forget_editor(erasure, tables, NAME, dry_run=False)
    assert not forget_editors_again(erasure, tables, dry_run=False)
    tables.write(labels_key("reading_level"), restored.table)
    assert forget_editors_again(erasure, tables, dry_run=True) == Named(labels=1)
    assert forget_editors_again(erasure, tables, dry_run=False) == Named(labels=1)
    assert not any(NAME.encode() in body for body in kept(tables))
    (listed,) = tables.list_keys(forgotten_prefix())
    assert is_of_editor(listed)
    assert NAME not in listed


def test_partners_that_were_forgotten_are_told_apart_from_editors(
    tables: VersionedTables, erasure: MemoryErasure
) -> None:
    clock = FakeClock()
    forget_editor(erasure, tables, NAME, dry_run=False)
    ledger = MemoryLedger(clock, MemoryBudget())
    forgetting = Forgetting(erasure=erasure, tables=tables, ledger=ledger, queues=MemoryQueues(clock), clock=clock)
    assert forgetting.again(dry_run=False) == []
