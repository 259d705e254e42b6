"""A call follows from its question, and nothing of it is worked out before it is wanted."""

import pytest

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.prompts.conversations import CONVERSATION, Turn, conversation_fingerprint
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment.pipeline.engine.build_call import ConversationQuestion, Question, build_call
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import MODELS, fingerprint_of, model_of, record

ANALYSIS = ANALYSES["reading_level"]
INPUTS = title_inputs(ANALYSIS, record(1))
QUERY = {"query": "What next?", "model": "haiku", "max_tokens": 500}


def question(calibration: Calibration | None = None) -> Question:
    return Question(ANALYSIS, model_of(ANALYSIS), INPUTS, calibration)


def test_a_call_has_its_titles_fingerprint_and_prompt_and_the_bucket() -> None:
    call = build_call(question(), "7")
    assert (call.fingerprint, call.bucket) == (fingerprint_of("reading_level", record(1)), "7")
    assert call.prompt == build_prompt(ANALYSIS, INPUTS, model_of(ANALYSIS))
    assert call.manga_id == record(1).manga_id


def test_the_price_of_a_question_is_the_price_of_its_call() -> None:
    learned = Calibration(input_factor=2.0, output_tokens=33, latency_p50_ms=10, samples=100)
    assert question(learned).cost_micro_usd == build_call(question(learned), "0").estimated_micro_usd()
    assert question(learned).estimate.output_tokens == 33
    assert question(learned).estimate.input_tokens > question().estimate.input_tokens


def test_a_fingerprint_is_had_without_making_the_prompt() -> None:
    asked = Question(ANALYSIS, model_of(ANALYSIS), INPUTS)
    assert asked.fingerprint == fingerprint_of("reading_level", record(1))
    assert "prompt" not in vars(asked)


@pytest.mark.parametrize("history", [[], [Turn("user", "Hello"), Turn("assistant", "Good day")]])
def test_a_conversation_is_its_requests_own_whatever_was_said_before(history: list[Turn]) -> None:
    call = build_call(ConversationQuestion("r-1", "query", QUERY, history, MODELS.resolve("haiku")), "conversations")
    assert call.fingerprint == conversation_fingerprint("r-1")
    assert call.analysis is CONVERSATION
    assert "What next?" in call.prompt.user
    assert all(turn.content in call.prompt.user for turn in history)


def test_titles_that_a_conversation_is_shown_are_part_of_its_estimate() -> None:
    haiku, titles = MODELS.resolve("haiku"), [Candidate("MNG-ABCD1234", "星と灯台", "genre: drama; " + "灯" * 200)]
    without = ConversationQuestion("r-1", "query", QUERY, [], haiku)
    shown = ConversationQuestion("r-1", "query", QUERY, [], haiku, titles)
    assert shown.estimate.input_tokens - without.estimate.input_tokens > 200
    assert (shown.fingerprint, shown.inputs.candidates) == (without.fingerprint, tuple(titles))
