"""Messages become claimed requests, each on its own."""

from manga_enrichment.domain.requests.queues import DEAD_LETTERS, DEAD_LETTERS_FIFO, NORMAL, SESSION
from manga_enrichment.pipeline.partner.packing import UnitLimits
from manga_enrichment_tests.partner_world import PartnerWorld

QUESTION = {"query": "Which manga has a lighthouse?"}


def reasons(world: PartnerWorld, queue: str = DEAD_LETTERS) -> list[str]:
    return sorted(letter.attributes["dead_letter_reason"] for letter in world.queue.messages(queue))


def test_a_valid_message_becomes_a_queued_request_with_its_body_stored() -> None:
    world = PartnerWorld()
    sent = world.send([(1, "reading_level")])
    report = world.tick()
    assert report.outcomes == {"claimed": 1}
    assert [unit.key for unit in report.units] == [f"{sent}:1"]
    row = world.row(sent)
    assert (row.state, row.generation, row.partner_id) == ("queued", 1, "acme")
    stored = world.base.tables.read_json(row.body_key)
    assert stored is not None
    assert stored["body"]["priority"] == "normal"


def test_invalid_messages_are_dead_lettered_at_once_and_hold_up_nobody() -> None:
    world = PartnerWorld()
    bad = world.send([(1, "no_such_analysis")])
    world.send_text("not json")
    world.send_text("[]")
    good = world.send()
    report = world.tick()
    assert report.outcomes == {"rejected": 3, "claimed": 1}
    assert reasons(world) == ["invalid_body", "malformed_json", "not_an_object"]
    assert (world.state(bad), world.state(good)) == ("rejected", "queued")
    assert "analysis_type" in world.row(bad).reason
    told = [(each.request_state, each.target) for each in world.outbox.deliveries.values()]
    assert sorted(told) == [("rejected", "arn:alerts")] * 3 + [("rejected", "arn:results")] * 3


def test_a_path_for_a_request_id_is_refused_and_names_no_object() -> None:
    world = PartnerWorld()
    world.send(request_id="../../etc/passwd")
    world.tick()
    assert reasons(world) == ["invalid_request_id"]
    assert not [key for key in world.base.tables.objects if ".." in key]
    assert world.requests.rows == {}


def test_a_rejection_cut_short_is_made_up_for() -> None:
    world = PartnerWorld()
    bad = world.send([(1, "no_such_analysis")])
    world.queue.failures["send"] = 1
    assert world.tick().outcomes == {"left": 1}
    world.clock.advance(NORMAL.visibility_seconds)
    assert world.tick().outcomes == {"rejected": 1}
    assert (world.state(bad), reasons(world)) == ("rejected", ["invalid_body"])
    assert {each.target for each in world.outbox.deliveries.values()} == {"arn:alerts", "arn:results"}
    assert len(world.outbox.deliveries) == 2


def test_a_duplicate_of_a_live_request_launches_nothing_and_refreshes_its_handle() -> None:
    world = PartnerWorld()
    sent = world.send()
    world.tick()
    before = world.row(sent)
    world.send(request_id=sent)
    report = world.tick()
    assert (report.outcomes, report.units) == ({"live": 1}, [])
    assert world.row(sent).receipt_handle != before.receipt_handle
    assert world.row(sent).generation == 1


def test_a_duplicate_of_a_finished_request_is_only_acked() -> None:
    world = PartnerWorld()
    sent = world.send()
    world.work()
    done = world.row(sent)
    world.send(request_id=sent)
    report = world.tick()
    assert (report.outcomes, report.units) == ({"final": 1}, [])
    assert (world.row(sent), world.queue.messages(NORMAL.name)) == (done, [])


def test_nobody_gets_the_answer_of_another_by_using_their_request_id() -> None:
    world = PartnerWorld()
    sent = world.send(partner_id="acme")
    world.work()
    world.send(request_id=sent, partner_id="zeta")
    assert world.tick().outcomes == {"rejected": 1}
    assert reasons(world) == ["request_id_taken"]
    assert world.row(sent).partner_id == "acme"


def test_an_invalid_message_does_not_change_the_request_whose_id_it_has() -> None:
    world = PartnerWorld()
    sent = world.send()
    world.tick()
    before = world.row(sent)
    world.send([(1, "no_such_analysis")], request_id=sent)
    assert world.tick().outcomes == {"rejected": 1}
    assert world.row(sent) == before


def test_a_store_that_fails_for_one_message_leaves_it_and_takes_the_others() -> None:
    world = PartnerWorld()
    sent = [world.send() for _ in range(3)]
    world.requests.failures["claim"] = 1
    report = world.tick()
    assert sum(len(unit.requests) for unit in report.units) == 2
    world.clock.advance(NORMAL.visibility_seconds)
    world.drain()
    assert {world.state(each) for each in sent} == {"completed"}


def test_a_queue_that_does_not_answer_is_left_for_the_next_tick() -> None:
    world = PartnerWorld()
    world.send()
    world.queue.failures["receive"] = 1
    assert world.tick().received == 0
    assert world.tick().received == 1


def test_it_pulls_no_more_than_the_free_runs_can_take() -> None:
    world = PartnerWorld(limits=UnitLimits(max_messages=2))
    for _ in range(9):
        world.send()
    report = world.tick(free_runs=3)
    assert [len(unit.requests) for unit in report.units] == [2, 2, 2]
    assert world.queue.depth(NORMAL.name).visible == 3


def test_a_tick_ends_when_its_time_is_over() -> None:
    world = PartnerWorld()
    world.send()
    report = world.intake().pull(NORMAL.name, 5, world.clock.monotonic_seconds())
    assert report.received == 0


def test_one_message_per_session_is_in_flight_and_sessions_do_not_wait_for_each_other() -> None:
    world = PartnerWorld()
    for session in ("a", "b"):
        for _ in range(3):
            world.send_envelope("manga_query", QUESTION, queue=SESSION.name, group_id=f"acme:{session}")
    report = world.tick(SESSION.name)
    assert [request.group_id for unit in report.units for request in unit.requests] == ["acme:a", "acme:b"]


def test_an_invalid_message_of_a_session_makes_way_for_the_next() -> None:
    world = PartnerWorld()
    bad = world.send_envelope("manga_query", {"query": " "}, queue=SESSION.name, group_id="acme:a")
    good = world.send_envelope("manga_query", QUESTION, queue=SESSION.name, group_id="acme:a")
    world.work(SESSION.name)
    assert (world.state(bad), world.state(good)) == ("rejected", "completed")
    assert reasons(world, DEAD_LETTERS_FIFO) == ["invalid_body"]


def test_a_message_killed_three_times_goes_to_the_dead_letters_alone() -> None:
    world = PartnerWorld(max_receives=3)
    sent = world.send()
    for _ in range(3):
        [unit] = world.tick().units
        assert [request.request_id for request in unit.requests] == [sent]
        world.clock.advance(NORMAL.visibility_seconds + 1)
    assert world.tick().received == 0
    assert len(world.queue.messages(DEAD_LETTERS)) == 1
