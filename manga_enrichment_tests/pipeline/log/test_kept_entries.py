"""What an op was answered is kept as the ledger has it, and logged before it is kept."""

from dataclasses import replace

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.calls import CallResult
from manga_enrichment.pipeline.log.append import ROWS_AT_ONCE, log_entries
from manga_enrichment.pipeline.log.kept_entries import KeptEntries, open_kept
from manga_enrichment.pipeline.log.rows import REQUEST_SCHEMA
from manga_enrichment.pipeline.store.object_keys import entries_key, requests_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, entry, model_of, provenance, record
from manga_enrichment_tests.contracts.entries import make_entry
from manga_enrichment_tests.fakes import START, MemoryTables
from manga_enrichment_tests.watched_tables import WatchedTables

LEVEL = "reading_level"
OWN = [
    entry(LEVEL, record(1)),
    entry(LEVEL, record(2), error_class=ErrorClass.REFUSAL),
    replace(make_entry("f3", START, throttles=3), analysis=LEVEL, provenance=provenance()),
]
OTHERS = entry(LEVEL, record(4), run_id="run-0")


def kept(objects: MemoryTables, *entries: LedgerEntry | None) -> KeptEntries:
    analysis = ANALYSES[LEVEL]
    call = build_call(Question(analysis, model_of(analysis), title_inputs(analysis, record(1))), BUCKET)
    found = KeptEntries(provenance())
    for each in entries:
        found.add(CallResult(call, each.outcome if each else OWN[0].outcome, each))
    found.write(objects, LEVEL)
    return found


def test_entries_are_read_back_as_they_were() -> None:
    objects = MemoryTables()
    kept(objects, *OWN, OTHERS, None)
    opened, titles = open_kept(objects, provenance(), LEVEL, BUCKET), [each.manga_id for each in (*OWN, OTHERS)]
    assert opened.of(titles) == {each.fingerprint: each for each in (*OWN, OTHERS)}
    assert opened.of(titles[1:2]) == {OWN[1].fingerprint: OWN[1]}
    assert opened.of([]) == opened.of(["MNG-NOWHERE0"]) == {}
    assert opened.own == len(OWN)
    for run_id, bucket in (("run-1", "9"), ("run-2", BUCKET)):
        nothing = open_kept(objects, provenance(run_id), LEVEL, bucket)
        assert (nothing.own, nothing.of(titles)) == (0, {})


@given(st.permutations(range(12)), st.lists(st.integers(0, 13), min_size=1, unique=True))
def test_some_are_found_among_others_in_whatever_order_they_came(order: list[int], wanted: list[int]) -> None:
    objects = MemoryTables()
    every = {n: replace(OWN[0], manga_id=f"MNG-{n:08}", fingerprint=f"f{n}") for n in order}
    kept(objects, *every.values())
    found = open_kept(objects, provenance(), LEVEL, BUCKET).of([f"MNG-{n:08}" for n in wanted])
    assert found == {f"f{n}": every[n] for n in wanted if n in every}


def test_each_is_logged_under_the_run_that_paid_as_it_would_be_from_the_ledger() -> None:
    objects, expected = MemoryTables(), MemoryTables()
    kept(objects, *OWN, OTHERS)
    log_entries(expected, [replace(each, bucket=BUCKET) for each in (*OWN, OTHERS)])
    for run_id in ("run-0", "run-1"):
        key = requests_key(provenance().run_date, run_id, LEVEL, BUCKET)
        mine, theirs = (each.read(key) for each in (objects, expected))
        assert mine is not None
        assert theirs is not None
        ignored = [name for name in mine.table.column_names if name != "bucket"]
        assert mine.table.select(ignored).equals(theirs.table.select(ignored))


def test_a_second_try_adds_to_the_log_what_the_first_did_not_have() -> None:
    objects = MemoryTables()
    kept(objects, OWN[0])
    key = requests_key(provenance().run_date, "run-1", LEVEL, BUCKET)
    before = objects.objects[key]
    kept(objects, OWN[0])
    assert objects.objects[key] == before
    kept(objects, *OWN)
    stored = objects.read(key)
    assert stored is not None
    assert stored.table.num_rows == sum(len(each.attempts) for each in OWN)
    found = open_kept(objects, provenance(), LEVEL, BUCKET).of([each.manga_id for each in OWN])
    assert set(found) == {each.fingerprint for each in OWN}


def test_a_first_try_puts_the_log_without_looking_for_one() -> None:
    objects, key = WatchedTables(), requests_key(provenance().run_date, "run-1", LEVEL, BUCKET)
    kept(objects, OWN[0])
    assert objects.seen == []
    kept(objects, OWN[1])
    assert objects.seen == [key]
    stored = objects.read(key)
    assert stored is not None
    assert set(stored.table.column("manga_id").to_pylist()) == {each.manga_id for each in OWN[:2]}


def test_a_second_try_completes_a_log_of_an_older_release() -> None:
    """Whose attempts of many more titles stay, and are read some at a time."""
    objects = MemoryTables()
    kept(objects, OWN[0])
    key = requests_key(provenance().run_date, "run-1", LEVEL, BUCKET)
    stored = objects.read(key)
    assert stored is not None
    [row] = stored.table.drop_columns(["service_tier"]).to_pylist()
    titles = [f"MNG-{number:08}" for number in range(ROWS_AT_ONCE)]
    many = pa.Table.from_pylist([row, *({**row, "manga_id": each} for each in titles)])
    objects.write(key, many)
    kept(objects, *OWN)
    stored = objects.read(key)
    assert stored is not None
    assert stored.table.schema.equals(REQUEST_SCHEMA)
    own = [each.manga_id for entry in OWN for each in [entry] * len(entry.attempts)]
    assert sorted(stored.table.column("manga_id").to_pylist()) == sorted([*titles, *own])
    assert stored.table.column("service_tier").null_count >= ROWS_AT_ONCE


def test_an_op_that_was_answered_nothing_keeps_nothing() -> None:
    objects = MemoryTables()
    kept(objects, None)
    assert entries_key("run-1", LEVEL, BUCKET) not in objects.objects
    assert objects.objects == {}


def test_a_bucket_that_has_ended_is_kept_and_logged_before_the_others() -> None:
    objects, analysis = MemoryTables(), ANALYSES[LEVEL]
    asked = build_call(Question(analysis, model_of(analysis), title_inputs(analysis, record(1))), BUCKET)
    found = KeptEntries(provenance())
    for bucket in (BUCKET, "9"):
        for each in (*OWN, OTHERS):
            found.add(CallResult(replace(asked, bucket=bucket), each.outcome, each))
    titles = [each.manga_id for each in (*OWN, OTHERS)]
    found.write_bucket(objects, LEVEL, BUCKET)
    opened, still = (open_kept(objects, provenance(), LEVEL, bucket) for bucket in (BUCKET, "9"))
    assert (opened.own, len(opened.of(titles)), still.own) == (len(OWN), len(titles), 0)
    assert objects.read(requests_key(provenance().run_date, "run-0", LEVEL, BUCKET)) is not None
    written = dict(objects.objects)
    found.write(objects, LEVEL)
    found.write(objects, LEVEL)
    opened, rest = (open_kept(objects, provenance(), LEVEL, bucket) for bucket in (BUCKET, "9"))
    assert len(opened.of(titles)) == len(rest.of(titles)) == len(titles)
    assert {key: objects.objects[key] for key in written} == written
