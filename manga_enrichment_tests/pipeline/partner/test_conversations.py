"""Sessions: strict order, a history that is kept, and nobody waits for another's failure."""

import random
from collections import defaultdict
from collections.abc import Sequence

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import DEAD_LETTERS_FIFO, SESSION
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.partner.conversations import read_history, session_name
from manga_enrichment_tests.fakes import DEFAULT_USAGE, ScriptedModel
from manga_enrichment_tests.partner_world import PartnerWorld


def session_id(number: int) -> str:
    return f"7c9e6679-7425-40de-944b-{number:012d}"


def ask(world: PartnerWorld, session: int, text: str) -> str:
    body = {"query": text, "conversation_id": session_id(session)}
    return world.send_envelope("manga_query", body, queue=SESSION.name, group_id=f"acme:{session_id(session)}")


def test_an_answer_is_settled_like_a_batch_and_remembered() -> None:
    world = PartnerWorld()
    sent = ask(world, 1, "Which manga has a lighthouse?")
    world.work(SESSION.name)
    assert world.state(sent) == "completed"
    assert world.result(sent)["items"][0]["answer"] == {"reply": "The one with the lighthouse."}
    assert world.row(sent).cost_micro_usd > 0
    name = session_name("acme", "manga_query", {"conversation_id": session_id(1)})
    turns = read_history(world.base.tables, name, "another request").turns
    assert [turn.content for turn in turns] == ["Which manga has a lighthouse?", "The one with the lighthouse."]


def test_a_reply_is_told_and_remembered_without_what_nobody_should_see() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise={"reply": "Try\u200b this:\x1b[2J \u202ecod.exe\u202c\r\n"})
    sent = ask(world, 1, "Which?")
    world.work(SESSION.name)
    assert world.result(sent)["items"][0]["answer"] == {"reply": "Try this:[2J cod.exe\n"}
    name = session_name("acme", "manga_query", {"conversation_id": session_id(1)})
    assert read_history(world.base.tables, name, "another").turns[-1].content == "Try this:[2J cod.exe\n"


def test_a_reply_that_nobody_can_see_is_no_answer() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise={"reply": "\u200b\u3164 \u2800"})
    sent = ask(world, 1, "Which?")
    world.work(SESSION.name)
    assert world.state(sent) == "failed"
    assert world.result(sent)["items"][0]["error"]["class"] == "invalid_answer"


def test_partners_who_use_the_same_session_id_do_not_hear_each_other() -> None:
    body = {"conversation_id": session_id(1)}
    assert session_name("acme", "manga_query", body) != session_name("zeta", "manga_query", body)


def test_a_request_without_session_or_user_has_no_history() -> None:
    assert session_name("acme", "manga_query", {"query": "?"}) is None


def test_a_failing_message_holds_its_session_only_until_it_is_done_with() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.READ_TIMEOUT)
    failing = ask(world, 1, "first")
    world.work(SESSION.name)
    world.base.model = ScriptedModel(world.clock)
    following = ask(world, 1, "second")
    world.work(SESSION.name)
    assert (world.state(failing), world.state(following)) == ("failed", "completed")
    assert len(world.queue.messages(DEAD_LETTERS_FIFO)) == 1


def test_a_deferred_message_holds_its_session_and_no_other() -> None:
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
    first = ask(world, 1, "first")
    world.work(SESSION.name)
    world.base.model = ScriptedModel(world.clock)
    behind, elsewhere = ask(world, 1, "behind it"), ask(world, 2, "elsewhere")
    world.work(SESSION.name)
    assert (world.state(first), world.state(elsewhere)) == ("deferred", "completed")
    assert behind not in world.requests.rows
    world.drain(SESSION.name)
    assert (world.state(first), world.state(behind)) == ("completed", "completed")


def open_sessions(world: PartnerWorld, sent: Sequence[Sequence[str]]) -> list[int]:
    """How many requests of each session have not ended."""
    return [sum(not world.is_final(each) for each in requests) for requests in sent]


@pytest.mark.parametrize(("sessions", "messages", "seed"), [(12, 6, 0), (12, 6, 1), (50, 20, 2)])
@pytest.mark.slow
def test_many_sessions_with_random_failures_keep_their_order(sessions: int, messages: int, seed: int) -> None:
    """Some answers fail for good, some runs are killed: per session, answers come in the order of the questions.

    Wherever nothing was killed, every session gets on: none waits for another's failure.
    """
    world, chance = PartnerWorld(max_receives=50), random.Random(seed)
    answered: dict[str, list[int]] = defaultdict(list)

    def answer(request: ModelCall) -> ModelReply:
        last = request.prompt.user.split("</conversation>", maxsplit=1)[0].rsplit("user: ", 1)[1].strip()
        session, number = last.split("/")
        answered[session].append(int(number))
        stop = "refusal" if chance.random() < 0.1 else "tool_use"
        return ModelReply(stop, {"reply": f"answer {last}"}, DEFAULT_USAGE)

    world.base.model = ScriptedModel(world.clock, otherwise=answer)
    sent: list[list[str]] = [[] for _ in range(sessions)]
    for number in range(messages):
        for session in range(sessions):
            sent[session].append(ask(world, session, f"{session}/{number:02d}"))
    killed = 0
    while any(before := open_sessions(world, sent)):
        if is_killed := chance.random() < 0.3:
            world.switch.arm(chance.randrange(60), after_effect=chance.random() < 0.5)
        try:
            world.work(SESSION.name)
        except BaseException:  # noqa: BLE001 (what a kill looks like depends on where it hit)
            assert world.switch.dead
            killed += 1
        world.switch.revive()
        world.launched.clear()
        world.clock.advance(SESSION.visibility_seconds + 1)
        if not is_killed:
            now_open = zip(before, open_sessions(world, sent), strict=True)
            assert all(after < earlier or not earlier for earlier, after in now_open)
    assert killed
    world.drain(SESSION.name)
    every = [each for requests in sent for each in requests]
    assert {world.state(each) for each in every} == {"completed", "failed"}
    world.assert_rows_are_whole(*every)
    assert len(answered) == sessions
    for numbers in answered.values():
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(messages))
    for session in range(sessions):
        name = session_name("acme", "manga_query", {"conversation_id": session_id(session)})
        said = [turn.content for turn in read_history(world.base.tables, name, "none").turns if turn.role == "user"]
        assert said == sorted(said) != []
