"""Asking for partners stops where it must: a lost lease, a process that is to end."""

import threading
from collections.abc import Callable

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.model import ModelReply
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.partner.ask import PartnerAsking, Stopping
from manga_enrichment.pipeline.partner.plan import PlannedCall
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import fingerprint_of, record
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.partner_world import PartnerWorld

NAME = "reading_level"


def planned(number: int, *request_ids: str, partner_id: str = "acme") -> PlannedCall:
    title = record(number)
    fields = {name: getattr(title, name) for name in ANALYSES[NAME].fields if getattr(title, name)}
    return PlannedCall(
        fingerprint=fingerprint_of(NAME, title),
        analysis=NAME,
        partner_id=partner_id,
        manga_id=title.manga_id,
        bucket="0",
        request_ids=list(request_ids),
        fields=fields,
    )


def ask(
    world: PartnerWorld,
    calls: list[PlannedCall],
    holds: Callable[[str], bool] = lambda _request_id: True,
    stop: threading.Event | None = None,
    grace_seconds: float = 20,
) -> InvokeReport:
    asking: PartnerAsking = world.asking()
    stopping = Stopping(holds, stop or threading.Event(), grace_seconds)
    provenance = Provenance("run-1", "2026-01-15", "partner")
    return asking.ask(NAME, calls, provenance, stopping, spender="run-1", say=lambda _line: None)


def test_a_request_that_is_ours_no_more_is_not_asked_for() -> None:
    world = PartnerWorld()
    report = ask(world, [planned(1, "lost"), planned(2, "ours")], holds=lambda request_id: request_id == "ours")
    assert [sent.manga_id for sent in world.base.model.sent] == ["MNG-00000002"]
    assert report.error_classes == {"stopped": 1}


def test_an_answer_that_another_request_waits_for_is_asked_for_all_the_same() -> None:
    world = PartnerWorld()
    report = ask(world, [planned(1, "lost", "ours")], holds=lambda request_id: request_id == "ours")
    assert report.outcomes == {"succeeded": 1}


def test_a_lease_lost_between_two_attempts_ends_the_call() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
    ask(world, [planned(1, "lost")], holds=lambda _request_id: len(world.base.model.sent) < 2)
    assert len(world.base.model.sent) == 2


def test_told_to_end_it_waits_for_calls_in_flight_as_long_as_its_grace_allows() -> None:
    world, stop = PartnerWorld(), threading.Event()

    def latency(_request: object) -> float:
        stop.set()
        return 10.0 if len(world.base.model.sent) == 1 else 500.0

    world.base.model = ScriptedModel(world.clock, latency_seconds=latency)
    report = ask(world, [planned(1, "r"), planned(2, "r")], stop=stop, grace_seconds=20)
    assert report.outcomes["succeeded"] == 1
    assert world.clock.monotonic_seconds() < 60
    assert world.base.ledger.claimed == {}
    assert world.base.model.closed


def test_partners_share_the_concurrency_of_the_run() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, latency_seconds=5.0)
    calls = [planned(number, f"r{number}", partner_id=f"partner-{number % 4}") for number in range(24)]
    report = ask(world, calls)
    assert report.outcomes == {"succeeded": 24}
    assert world.base.model.max_in_flight <= world.base.settings.engine.concurrency


def test_an_endpoint_that_is_not_there_is_one_sentence() -> None:
    world = PartnerWorld()
    world.base.model.reachable = False
    with pytest.raises(ModelError, match="cannot be reached"):
        ask(world, [planned(1, "r")])


def no_credentials(_request: object) -> ModelReply:
    raise ConfigurationError("no credentials any more")


def test_a_wrong_setting_that_shows_while_asking_is_one_sentence_too() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise=no_credentials)
    calls = [planned(number, "r", partner_id=f"partner-{number}") for number in range(1, 4)]
    with pytest.raises(ConfigurationError, match="no credentials any more"):
        ask(world, calls)
    assert world.base.ledger.claimed == {}
    assert world.base.model.closed
