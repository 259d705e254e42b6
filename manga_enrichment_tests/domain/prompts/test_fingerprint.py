"""An answer's identity changes with everything it depends on, and with nothing else."""

import random
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate, TitleInputs
from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Price
from manga_enrichment.domain.prompts.fingerprint import content_hash, fingerprint
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment_tests.analyses import ANALYSES, get_analysis

HAIKU = load_models().resolve("haiku")
HAIKU_WITH_TEMPERATURE = load_models().resolve("haiku-batch")
GENRES = get_analysis("genre_classification")
SIMILAR = get_analysis("similar_series")
RECORD = MangaRecord(
    manga_id="MNG-TEAHOUSE",
    title="Tea at the Edge",
    title_ja="果ての茶屋",
    publisher_genres=("fantasy", "cooking"),
    synopsis="A retired knight runs a tea house.",
)
CANDIDATES = tuple(Candidate(f"MNG-{number:08d}", f"Title {number}") for number in range(5))
FIXED = AnalysisType(
    name="fixed",
    version="7",
    description="",
    fields=("title", "themes"),
    instructions="",
    output_schema={},
    max_tokens=100,
    sufficient=lambda _inputs: None,
)
HASH = content_hash(ANALYSES.values())
FIXED_MODEL = ModelSpec("fixed.model", Price(1, 1), 200_000, 8_000, 200_000)
SAMPLES: dict[str, Any] = {
    "title": "Other",
    "title_ja": "別の話",
    "type": "manga",
    "content_rating": "teen",
    "synopsis": "Something else.",
    "publisher": "Ember House",
    "authors": (Author("K. Sato", "art"),),
}


def changed(record: MangaRecord, name: str) -> MangaRecord:
    return replace(record, **{name: SAMPLES.get(name, ("something new",))})


def test_a_known_call_has_a_known_fingerprint_on_every_machine() -> None:
    inputs = TitleInputs("MNG-TEAHOUSE", {"title": "果ての茶屋", "themes": ("tea", "travel")}, CANDIDATES, "note")
    # pragma: allowlist nextline secret
    assert fingerprint(FIXED, FIXED_MODEL, inputs) == "27c3098df4a7804a3d6a5bfa97a48a5ce0e3d943380ff0340efb141b3cb644d1"


@given(st.randoms(use_true_random=False))
def test_the_order_of_fields_and_candidates_does_not_count(shuffler: random.Random) -> None:
    inputs = title_inputs(SIMILAR, RECORD, CANDIDATES)
    fields, candidates = list(inputs.fields.items()), list(inputs.candidates)
    shuffler.shuffle(fields)
    shuffler.shuffle(candidates)
    same = replace(inputs, fields=dict(fields), candidates=tuple(candidates))
    assert fingerprint(SIMILAR, HAIKU, same) == fingerprint(SIMILAR, HAIKU, inputs)


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_every_field_of_an_analysis_counts(name: str) -> None:
    analysis = get_analysis(name)
    before = fingerprint(analysis, HAIKU, title_inputs(analysis, RECORD))
    for field in analysis.fields:
        inputs = title_inputs(analysis, changed(RECORD, field))
        assert fingerprint(analysis, HAIKU, inputs) != before, field


@given(st.integers(min_value=0, max_value=200), st.text(max_size=20), st.datetimes())
def test_what_the_prompt_does_not_show_does_not_count(volumes: int, source: str, moment: datetime) -> None:
    other = replace(
        RECORD, volumes=volumes, source=source, updated_at=moment.replace(tzinfo=UTC), isbn13="9784000000000"
    )
    for analysis in ANALYSES.values():
        one, two = (fingerprint(analysis, HAIKU, title_inputs(analysis, each)) for each in (RECORD, other))
        assert one == two
    assert HASH(other) == HASH(RECORD)


@given(st.text(max_size=60))
def test_the_unicode_form_and_outer_white_space_do_not_count(text: str) -> None:
    spellings = (text, unicodedata.normalize("NFD", text), f" \n{text}\t")
    records = [replace(RECORD, synopsis=spelling) for spelling in spellings]
    assert len({fingerprint(GENRES, HAIKU, title_inputs(GENRES, record)) for record in records}) == 1


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_texts_share_a_fingerprint_only_when_the_prompt_shows_the_same(one: str, two: str) -> None:
    first, second = (title_inputs(GENRES, replace(RECORD, synopsis=text)) for text in (one, two))
    same = fingerprint(GENRES, HAIKU, first) == fingerprint(GENRES, HAIKU, second)
    assert same == (first == second)


def test_model_version_name_title_candidates_and_context_count() -> None:
    inputs = title_inputs(SIMILAR, RECORD, CANDIDATES)
    prints = [
        fingerprint(SIMILAR, HAIKU, inputs),
        fingerprint(SIMILAR, load_models().resolve("sonnet"), inputs),
        fingerprint(SIMILAR, replace(HAIKU, model_id="jp.anthropic.claude-haiku-5-5"), inputs),
        fingerprint(replace(SIMILAR, version="2"), HAIKU, inputs),
        fingerprint(replace(SIMILAR, name="another"), HAIKU, inputs),
        fingerprint(replace(SIMILAR, max_tokens=999), HAIKU, inputs),
        fingerprint(SIMILAR, HAIKU, replace(inputs, manga_id="MNG-OTHER000")),
        fingerprint(SIMILAR, HAIKU, replace(inputs, candidates=CANDIDATES[:4])),
        fingerprint(SIMILAR, HAIKU, replace(inputs, additional_context="Reissue.")),
    ]
    assert len(set(prints)) == len(prints)


def test_a_temperature_counts_only_when_the_model_is_sent_one() -> None:
    inputs = title_inputs(GENRES, RECORD)
    warmer = replace(GENRES, temperature=0.9)
    assert fingerprint(warmer, HAIKU, inputs) == fingerprint(GENRES, HAIKU, inputs)
    one, two = (fingerprint(each, HAIKU_WITH_TEMPERATURE, inputs) for each in (warmer, GENRES))
    assert one != two


def test_the_content_hash_covers_the_fields_of_all_analyses() -> None:
    before = HASH(RECORD)
    for field in {field for analysis in ANALYSES.values() for field in analysis.fields}:
        assert HASH(changed(RECORD, field)) != before, field
    assert HASH(replace(RECORD, manga_id="MNG-OTHER000")) != before


def test_the_content_hash_follows_the_analyses_it_is_asked_about() -> None:
    hashed = content_hash([FIXED])
    assert hashed(changed(RECORD, "synopsis")) == hashed(RECORD)
    assert hashed(changed(RECORD, "title")) != hashed(RECORD)
