"""A bucket that has ended is written by a thread while its analysis ends, and writes what there is, in another."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import pyarrow as pa
import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.results import deferred
from manga_enrichment.pipeline.log.kept_entries import KeptEntries
from manga_enrichment.pipeline.log.unledgered import UnledgeredAttempts
from manga_enrichment.pipeline.store.object_keys import entries_key, results_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, entry, model_of, provenance, record
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.fakes import MemoryTables

LEVEL = "reading_level"
TITLES = 3
SECONDS = 30
"""For what must come, on the slowest machine."""
MEANWHILE_SECONDS = 0.2
"""For the second writer to do what it must not; one that waits, as it should, takes no part of it."""


class SlowTables(MemoryTables):
    """The first write waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun, self.may_end = Event(), Event()

    def write(self, key: str, table: Any, *args: Any, **kwargs: Any) -> str:
        if not self.has_begun.is_set():
            self.has_begun.set()
            assert self.may_end.wait(SECONDS)
        return super().write(key, table, *args, **kwargs)


def call_of(number: int) -> Call:
    analysis = ANALYSES[LEVEL]
    return build_call(Question(analysis, model_of(analysis), title_inputs(analysis, record(number))), BUCKET)


def unledgered() -> tuple[UnledgeredAttempts, str]:
    found = UnledgeredAttempts(provenance(), FakeClock())
    for number in range(1, TITLES + 1):
        found.add(deferred(call_of(number), ErrorClass.BATCH_PENDING))
    return found, results_key(provenance().run_id, LEVEL, BUCKET)


def kept() -> tuple[KeptEntries, str]:
    found = KeptEntries(provenance())
    for number in range(1, TITLES + 1):
        own = entry(LEVEL, record(number))
        found.add(CallResult(call_of(number), own.outcome, own))
    return found, entries_key(provenance().run_id, LEVEL, BUCKET)


@pytest.mark.parametrize("make", [unledgered, kept])
def test_who_writes_all_waits_for_who_writes_a_bucket_and_each_row_is_there_once(
    make: Callable[[], tuple[UnledgeredAttempts | KeptEntries, str]],
) -> None:
    writer, key = make()
    objects = SlowTables()
    with ThreadPoolExecutor(2) as pool:
        bucket = pool.submit(writer.write_bucket, objects, LEVEL, BUCKET)
        assert objects.has_begun.wait(SECONDS)
        everything = pool.submit(write_and_look, writer, objects, key)
        wait([everything], MEANWHILE_SECONDS)
        objects.may_end.set()
        bucket.result(SECONDS)
        seen = everything.result(SECONDS)
    assert seen is not None, "it came back before the rows were there"
    assert sorted(seen.column("manga_id").to_pylist()) == sorted(record(each).manga_id for each in range(1, TITLES + 1))
    stored = objects.read(key)
    assert stored is not None
    assert stored.table.equals(seen)


def write_and_look(writer: UnledgeredAttempts | KeptEntries, objects: ObjectStore, key: str) -> pa.Table | None:
    """What is there when all is said to be written."""
    writer.write(objects, LEVEL)
    stored = objects.read(key)
    return None if stored is None else stored.table
