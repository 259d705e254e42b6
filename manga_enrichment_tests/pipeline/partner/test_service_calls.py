"""How many calls to services a request costs in a run of many: what a request adds, and what the run costs anyway.

Run it with `-s` to see the numbers.
"""

import sys
from collections import Counter
from typing import Any

from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, NORMAL
from manga_enrichment_tests.partner_world import RESIDENT, PartnerWorld
from manga_enrichment_tests.resident_run import live

FEW, MANY = 10, 60


class Counted:
    """A gateway whose calls are counted under the name of its service."""

    def __init__(self, target: Any, service: str, calls: Counter[str]) -> None:
        self._target, self._service, self._calls = target, service, calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if not callable(method) or name == "uri":
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls[f"{self._service}.{name}"] += 1
            return method(*args, **kwargs)

        return call


class CountedWorld(PartnerWorld):
    """Every gateway of tick and run, counted."""

    calls: Counter[str]

    def mortal(self, gateway: Any) -> Any:
        names = {id(self.queue): "sqs", id(self.requests): "status", id(self.outbox): "outbox"}
        names |= {id(self.base.ledger): "ledger", id(self.base.budget): "budget", id(self.base.tables): "s3"}
        return Counted(gateway, names[id(gateway)], self.calls)


def calls_of(requests: int) -> Counter[str]:
    """One queue, one tick, one run; each request asks for another title and analysis, or shares its answer."""
    world = CountedWorld()
    world.calls = Counter()
    sent = [world.send([(number % 8, "reading_level", f"note {number}")]) for number in range(requests)]
    world.work()
    assert {world.state(each) for each in sent} == {"completed"}
    assert world.queue.messages(NORMAL.name) == []
    return world.calls


def test_a_request_of_a_run_adds_few_calls_and_no_object_of_its_own_to_a_table() -> None:
    few, many = calls_of(FEW), calls_of(MANY)
    added = {name: (many[name] - few[name]) / (MANY - FEW) for name in many}
    sys.stdout.write(f"a request adds {dict(sorted((name, count) for name, count in added.items() if count))}\n")
    by_group = "ledger.put_many"  # of one here: the fake model takes no time, so no two answers come together
    per_request = {name: count for name, count in added.items() if count >= 1 and name != by_group}
    assert per_request == {
        "status.claim": 1,
        "status.update": 2,  # processing, completed: it was claimed as queued
        "status.note_pace": 1,  # the gateway writes one of these every ten seconds at most
        "s3.read_json": 1,  # the stored body, by the run
        "s3.write_json": 2,  # the stored body, the result document
    }
    assert many["s3.write"] - few["s3.write"] == 0
    assert many["sqs.delete"] == few["sqs.delete"] == many["outbox.add_all"] == 1


def calls_of_a_resident(requests: int) -> Counter[str]:
    world = CountedWorld(way=RESIDENT)
    world.calls = Counter()
    notes = [(number % 8, "reading_level", f"note {number}") for number in range(requests)]
    sent = [world.send([note], queue=HIGH_PRIORITY.name) for note in notes]
    live(world, [HIGH_PRIORITY.name])
    assert {world.state(each) for each in sent} == {"completed"}
    return world.calls


def test_a_request_of_a_run_that_stays_adds_no_reads_of_catalog_and_batch_jobs() -> None:
    few, many = calls_of_a_resident(FEW), calls_of_a_resident(MANY)
    added = {name: (many[name] - few[name]) / (MANY - FEW) for name in many}
    assert {name: count for name, count in added.items() if count >= 1} == {
        "status.claim": 1,
        "status.update": 1,  # completed: its claim was that of a run
        "status.note_pace": 1,
        "ledger.get_many": 1,  # what is known; what the engine said is not asked for again
        "ledger.put_many": 1,
        "s3.write_json": 2,
    }
    assert many["outbox.add_all"] == many["sqs.delete"] <= MANY / 10
    assert many["s3.read"] == 4  # the bucket's catalog, its candidates, what was asked again of it, what was corrected
    assert many["s3.list_keys"] == 1
