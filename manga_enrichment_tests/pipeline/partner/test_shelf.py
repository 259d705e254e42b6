"""Conversations know the catalog: which titles a question is shown, what of them, and which ids come back."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.catalog.records import Author
from manga_enrichment.domain.prompts.conversations import conversation_fingerprint
from manga_enrichment.domain.prompts.known_titles import CATALOG_TOKENS, MOST_TITLES, NOTHING_FOUND
from manga_enrichment.domain.prompts.tokens import estimate_tokens
from manga_enrichment.domain.requests.queues import SESSION
from manga_enrichment.pipeline.editing.editing import Editing
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, ORIGIN, put_catalog, record
from manga_enrichment_tests.fakes import MemoryTables, ScriptedModel
from manga_enrichment_tests.partner_world import RESIDENT, UNITS, PartnerWorld
from manga_enrichment_tests.pipeline.candidates.catalogs import shared_index

LIGHTHOUSE, BAKER, ROBOT = "MNG-00000101", "MNG-00000102", "MNG-00000103"
STRANGER = "MNG-ZZZZZZZZ"
TITLES = [
    record(101, title="星と灯台", title_ja="星と灯台", title_kana="ほしととうだい", synopsis="灯台守の娘の話。" * 8),
    record(102, title="The Silent Baker", title_en="The Silent Baker", authors=(Author("Hana Mori"),)),
    record(103, title="Forty Tons of Steel", synopsis="A deserter pilots a giant robot for the harbor town."),
    *(
        record(number, title=f"Quoin {number}", themes=("chess",), synopsis="Chess. " * 60)
        for number in range(200, 220)
    ),
]
SESSION_ID = "7c9e6679-7425-40de-944b-000000000001"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was answered: its id, and what the model read."""

    request_id: str
    system: str
    user: str

    @property
    def shown(self) -> dict[str, str]:
        """What the prompt says of each title, by id."""
        block = self.user.split("<catalog>\n", 1)[1].split("\n</catalog>", 1)[0]
        rows = [line.split(" | ", 1) for line in block.splitlines() if " | " in line]
        return {row[0]: row[1] for row in rows}


def send(world: PartnerWorld, schema: str, body: dict[str, Any], reply: str) -> Asked:
    world.base.model = ScriptedModel(world.clock, otherwise={"reply": reply})
    request_id = world.send_envelope(schema, body, queue=SESSION.name, group_id=f"acme:{SESSION_ID}")
    world.work(SESSION.name)
    prompt = world.base.model.sent[0].request.prompt
    return Asked(request_id, prompt.system, prompt.user)


def ask(world: PartnerWorld, text: str, reply: str = "Gladly.") -> Asked:
    """reply: what the model says to it."""
    return send(world, "manga_query", {"query": text, "conversation_id": SESSION_ID}, reply)


def chat(world: PartnerWorld, *texts: str) -> Asked:
    messages = [{"role": "user", "content": text} for text in texts]
    return send(world, "streaming_chat", {"messages": messages, "model": "haiku", "session_id": SESSION_ID}, "Gladly.")


def told(world: PartnerWorld, asked: Asked) -> str:
    reply: str = world.result(asked.request_id)["items"][0]["answer"]["reply"]
    return reply


def indexed(tables: MemoryTables, home: Path) -> None:
    put_catalog(tables, TITLES)
    shared_index(tables, home).get("v1")


@pytest.fixture(params=[UNITS, RESIDENT])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> PartnerWorld:
    """A partner lane, either way, over a catalog with an index."""
    world = PartnerWorld(way=request.param, index_home=tmp_path)
    indexed(world.base.tables, tmp_path)
    return world


@pytest.mark.parametrize(
    ("question", "manga_id"),
    [
        ("「星と灯台」はどんな話ですか？", LIGHTHOUSE),
        ("hoshi to toudai", LIGHTHOUSE),
        ("What is the Silent Bakker about?", BAKER),
        ("Anything by Hana Mori?", BAKER),
        ("the manga in which a deserter pilots a giant robot", ROBOT),
        (f"Is {ROBOT.lower()} for children?", ROBOT),
    ],
)
def test_a_question_is_shown_the_titles_that_it_is_about(world: PartnerWorld, question: str, manga_id: str) -> None:
    assert manga_id in ask(world, question).shown


def test_a_title_is_shown_with_its_answers_in_the_questions_language(world: PartnerWorld) -> None:
    assert "genre: " not in ask(world, "星と灯台").shown[LIGHTHOUSE]
    world.base.model = ScriptedModel(world.clock)
    world.base.run()
    write_enriched(world.base.tables, BUCKET, list(ANALYSES.values()), ORIGIN)
    in_japanese, in_english = ask(world, "星と灯台は？").shown, ask(world, "hoshi to toudai").shown
    assert in_japanese[LIGHTHOUSE] == "星と灯台 | genre: drama; level: teen; 友人二人が小さな店を守る。"
    assert in_english[LIGHTHOUSE] == "星と灯台 | genre: drama; level: teen; Two friends keep a small shop open."


def test_a_title_is_shown_with_what_an_editor_says_of_it(world: PartnerWorld) -> None:
    world.base.model = ScriptedModel(world.clock)
    world.base.run()
    write_enriched(world.base.tables, BUCKET, list(ANALYSES.values()), ORIGIN)
    editing = Editing(world.base.tables, ANALYSES, 1, world.clock)
    editing.correct(LIGHTHOUSE, "reading_level", "reading_level", "kids", by="ab", because="x")
    editing.correct(LIGHTHOUSE, "content_summary", "summary_en", "A lighthouse, and no shop.", by="ab", because="x")
    shown = ask(world, "hoshi to toudai").shown[LIGHTHOUSE]
    assert shown == "星と灯台 | genre: drama; level: kids; A lighthouse, and no shop."


def test_ids_that_were_not_shown_are_taken_out_of_what_is_told_and_remembered(world: PartnerWorld) -> None:
    asked = ask(world, "星と灯台は？", f"星と灯台（{LIGHTHOUSE}）か、鯨の駅（{STRANGER}）です。")
    assert told(world, asked) == f"星と灯台（{LIGHTHOUSE}）か、鯨の駅です。"
    following = ask(world, "And the other?")
    assert LIGHTHOUSE in following.user
    assert STRANGER not in following.user


def test_a_reply_of_strange_ids_alone_is_no_answer(world: PartnerWorld) -> None:
    asked = ask(world, "星と灯台", STRANGER)
    assert (world.state(asked.request_id), len(world.base.model.sent)) == ("failed", 2)


def test_without_a_hit_the_prompt_says_so(world: PartnerWorld) -> None:
    asked = ask(world, "送料はいくらですか。", f"それは分かりません（{LIGHTHOUSE}）。")
    assert NOTHING_FOUND in asked.user
    assert asked.shown == {}
    assert told(world, asked) == "それは分かりません。"


def test_what_was_named_before_is_known_when_the_question_only_points_at_it(world: PartnerWorld) -> None:
    ask(world, "the Silent Baker", f"The Silent Baker ({BAKER}) is quiet.")
    assert next(iter(ask(world, "How long is it?").shown)) == BAKER


def test_titles_are_bounded_in_number_and_tokens(world: PartnerWorld) -> None:
    asked = ask(world, "Something with chess?")
    assert len(asked.shown) == MOST_TITLES
    assert estimate_tokens(asked.user.split("</catalog>", maxsplit=1)[0]) <= CATALOG_TOKENS + 20


def test_a_long_message_is_searched_at_both_ends(world: PartnerWorld) -> None:
    long = "It has rained here for days. " * 20
    assert BAKER in ask(world, f"The Silent Baker: {long}").shown
    assert BAKER in ask(world, f"{long} Is there The Silent Baker?").shown


def test_a_text_that_leaves_no_room_in_its_models_limit_is_asked_without_the_catalog(world: PartnerWorld) -> None:
    assert "catalog" not in chat(world, "雨" * 12_500, "星と灯台").user
    assert LIGHTHOUSE in chat(world, "雨" * 2_000, "星と灯台").shown


def test_without_an_index_a_question_is_asked_as_ever(tmp_path: Path) -> None:
    world = PartnerWorld(index_home=tmp_path)
    asked = ask(world, "星と灯台は？", f"Try {STRANGER}.")
    assert "catalog" not in asked.system + asked.user
    assert told(world, asked) == f"Try {STRANGER}."


def test_an_answer_has_the_identity_that_it_had_before_the_catalog_was_known(world: PartnerWorld) -> None:
    asked = ask(world, "星と灯台は？")
    expected = hashlib.sha256(f"conversation:1:{asked.request_id}".encode()).hexdigest()
    assert conversation_fingerprint(asked.request_id) == expected
    assert set(world.base.ledger.get_many([expected])) == {expected}
