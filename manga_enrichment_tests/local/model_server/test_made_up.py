"""A schema that the stand-in knows nothing about is answered with valid values that follow the title, and says so."""

from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.local.model_server.answers.made_up import SAYS_SO, made_up
from manga_enrichment.local.model_server.answers.skills import Study, build_answer
from manga_enrichment.local.model_server.answers.title_prompt import TitlePrompt
from manga_enrichment.settings.own_analyses import analyses_of

EXAMPLES = Path(__file__).parents[3] / "data" / "analyses"
OWN = {name: analyses_of(EXAMPLES).get(name) for name in ("mood", "story_setting")}
TEXTS = [
    f"On island number {number} a keeper of lamps counts ships, and each of them has a story." for number in range(120)
]


def answers(analysis: AnalysisType) -> list[dict[str, Any]]:
    studies = [Study(TitlePrompt({"title": f"Lamp {place}", "synopsis": text})) for place, text in enumerate(TEXTS)]
    return [build_answer(study, analysis.output_schema, analysis.output_schema) for study in studies]


@pytest.mark.parametrize("analysis", OWN.values(), ids=OWN)
def test_answers_of_an_unknown_analysis_count(analysis: AnalysisType) -> None:
    for place, answer in enumerate(answers(analysis)):
        record = MangaRecord("MNG-00000001", f"Lamp {place}", synopsis=TEXTS[place])
        assert answer_problems(analysis, answer, title_inputs(analysis, record)) == []


def test_they_vary_with_the_title_and_with_nothing_else() -> None:
    moods, settings = answers(OWN["mood"]), answers(OWN["story_setting"])
    assert moods == answers(OWN["mood"])
    assert Counter(each["mood"] for each in moods).keys() == {"calm", "light", "bittersweet", "tense", "dark"}
    assert {each["intensity"] for each in moods} == {1, 2, 3, 4, 5}
    assert len({each["pitch"] for each in moods}) > 40
    assert {len(each["evidence"]) for each in settings} == {0, 1, 2, 3}
    assert any(each["place"] is None for each in settings)
    assert len({entry["weight"] for each in settings for entry in each["evidence"]}) > 40


def test_texts_say_whose_they_are_where_there_is_room() -> None:
    assert all(each["pitch"].startswith(SAYS_SO) for each in answers(OWN["mood"]))
    title = TitlePrompt({"title": "Lamp", "synopsis": TEXTS[0]})
    short = {"type": "string", "maxLength": 12}
    assert len(made_up(title, "code", short, short)) <= 12


_scalars = (
    st.fixed_dictionaries({"type": st.just("string"), "maxLength": st.integers(1, 200)})
    | st.fixed_dictionaries({"type": st.just("string"), "minLength": st.integers(0, 90), "maxLength": st.just(90)})
    | st.fixed_dictionaries({"type": st.just("string"), "enum": st.lists(st.text(max_size=5), min_size=1, max_size=4)})
    | st.just({"type": "string", "pattern": "^[A-Z]{2}$"})
    | st.just({"type": ["integer", "null"], "minimum": -3, "maximum": 3})
    | st.just({"type": "integer", "minimum": 7})
    | st.just({"type": "number", "minimum": 0.25, "maximum": 0.26})
    | st.just({"type": "number", "multipleOf": 0.5})
    | st.just({"type": "boolean"})
    | st.just({})
)
_schemas = st.recursive(
    _scalars,
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner, "minItems": st.integers(0, 2), "maxItems": st.integers(2, 9)}
        )
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
            lambda parts: {
                "type": "object",
                "properties": parts,
                "required": list(parts),
                "additionalProperties": False,
            }
        )
    ),
    max_leaves=5,
)


@given(_schemas, st.text(max_size=200))
def test_whatever_is_asked_of_whatever_text_the_value_is_valid(schema: dict[str, Any], text: str) -> None:
    title = TitlePrompt({"title": text, "synopsis": text} if text else {})
    jsonschema.validate(made_up(title, "asked", schema, schema), schema)
