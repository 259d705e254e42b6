"""How much of each candidate a prompt shows."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.analyses.text import without_brackets
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.prompts.candidate_block import (
    HINT_TOKENS,
    candidate_line,
    candidate_lines,
    shortened_hint,
)
from manga_enrichment.domain.prompts.candidates import candidate_of
from manga_enrichment.domain.prompts.fingerprint import fingerprint
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment.domain.prompts.quoting import one_line
from manga_enrichment.domain.prompts.tokens import estimate_tokens
from manga_enrichment_tests.analyses import get_analysis
from manga_enrichment_tests.domain.catalog.test_kept_fingerprints import SAMPLE

HAIKU = load_models().resolve("haiku")
SIMILAR = get_analysis("similar_series")
LONG = "Horror, School, Ghosts, Seinen; A teacher finds a room that no plan of the school has, and somebody in it."
LONG_JA = "ホラー, 学園, 幽霊, 青年; 学校の図面にない部屋を教師が見つける。毎晩ひとつずつ机が動く。"
HINTS = st.text(max_size=160) | st.sampled_from(["", "Horror", LONG, LONG_JA, "One; two; three", "; ", "a" * 160])


def records() -> list[MangaRecord]:
    lines = SAMPLE.read_text("utf-8").splitlines()
    rows = (clean_row(json.loads(line), number) for number, line in enumerate(lines, 1))
    return [each for each in rows if isinstance(each, MangaRecord)]


def hints(lines: str) -> list[str]:
    return [[*line.split(" | "), ""][2] for line in lines.splitlines()]


def test_a_short_hint_is_shown_whole() -> None:
    assert shortened_hint("Horror; A room.", 10, set()) == "Horror; A room."


def test_labels_of_the_title_stay_others_take_half_and_the_synopsis_begins() -> None:
    assert shortened_hint(LONG, 14, {"seinen"}) == "Horror, School, Seinen; A teacher finds a room that…"
    assert shortened_hint(LONG_JA, 22, {"幽霊"}) == "ホラー, 学園, 幽霊; 学校の図面にな…"


def test_a_synopsis_alone_is_no_list_of_labels() -> None:
    text = "He runs. She hides; nobody, not even the cat, knows where the two of them will be tomorrow."
    assert shortened_hint(text, 8, set()) == "He runs. She hides; nobody,…"


@given(hint=HINTS, tokens=st.integers(1, 60))
def test_a_hint_takes_no_more_than_it_may_unless_shared_labels_do(hint: str, tokens: int) -> None:
    assert estimate_tokens(shortened_hint(hint, tokens, set())) <= max(tokens, 1)


@given(st.lists(HINTS, min_size=1, max_size=20))
def test_all_hints_together_take_so_many_tokens_on_average(texts: list[str]) -> None:
    listed = [Candidate("MNG-AAAAAAAA", "T", text.replace("\n", " ")) for text in texts]
    lines = candidate_lines(listed, {}).split("\n")
    assert len(lines) == len(texts)
    assert sum(map(estimate_tokens, hints("\n".join(lines)))) <= HINT_TOKENS * len(texts) + len(texts)


CELLS = st.text(st.sampled_from("a |<>é\u0308\u200b\u3000鬼\n"), max_size=8)


@given(title=CELLS, hint=CELLS)
def test_a_line_is_its_cells_each_as_a_prompt_shows_it(title: str, hint: str) -> None:
    cells = ("MNG-AAAAAAAA", title, hint)
    shown = [without_brackets(one_line(cell)).replace("|", "¦") for cell in cells if cell]
    assert candidate_line(Candidate(*cells)) == " | ".join(shown)


@given(st.lists(st.tuples(HINTS, st.frozensets(st.sampled_from(["Horror", "School", "青年"]))), max_size=6))
def test_lines_are_those_of_this_list_and_this_title_whatever_was_shown_before(
    shown: list[tuple[str, frozenset[str]]],
) -> None:
    for hint, labels in shown:
        listed, fields = [Candidate("MNG-AAAAAAAA", "T", hint)] * 3, {"themes": tuple(sorted(labels))}
        kept = shortened_hint(hint, HINT_TOKENS, {label.casefold() for label in labels})
        assert candidate_lines(listed, fields) == "\n".join([candidate_line(Candidate("MNG-AAAAAAAA", "T", kept))] * 3)


def test_what_short_hints_leave_over_goes_to_long_ones() -> None:
    alone = candidate_lines([Candidate("MNG-AAAAAAAA", "A", LONG)], {})
    beside = candidate_lines([Candidate("MNG-AAAAAAAA", "A", LONG), Candidate("MNG-BBBBBBBB", "B", "")], {})
    assert len(hints(beside)[0]) > len(hints(alone)[0])


def test_a_label_that_a_sample_title_shares_with_a_candidate_is_still_in_its_hint() -> None:
    titles = records()[:120]
    shown = {each.manga_id: candidate_of(each) for each in titles}
    compared = 0
    for title, *others in zip(titles, *(titles[shift:] for shift in range(1, 21)), strict=False):
        inputs = title_inputs(SIMILAR, title, [shown[other.manga_id] for other in others])
        labels = {*title.publisher_genres, *title.themes, *title.demographics}
        for other, hint in zip(others, hints(candidate_lines(inputs.candidates, inputs.fields)), strict=True):
            said = shown[other.manga_id].hint.partition("; ")[0].split(", ")
            shared = [label for label in said if label in labels]
            compared += len(shared)
            assert all(label in hint for label in shared)
    assert compared > 100


def test_ids_and_titles_are_shown_in_their_order_whatever_the_hints() -> None:
    listed = [candidate_of(each) for each in records()[:20]]
    lines = candidate_lines(listed, {}).split("\n")
    assert [line.split(" | ")[0] for line in lines] == [each.manga_id for each in listed]
    assert all(candidate_line(Candidate("", each.title)) in line for each, line in zip(listed, lines, strict=True))


def test_an_answer_does_not_depend_on_what_a_hint_says() -> None:
    title, *others = records()[:6]
    listed = [candidate_of(each) for each in others]
    bare = [Candidate(each.manga_id, each.title) for each in listed]
    with_hints, without = (title_inputs(SIMILAR, title, each) for each in (listed, bare))
    assert build_prompt(SIMILAR, with_hints, HAIKU).user != build_prompt(SIMILAR, without, HAIKU).user
    assert fingerprint(SIMILAR, HAIKU, with_hints) == fingerprint(SIMILAR, HAIKU, without)


@pytest.mark.parametrize(
    ("japanese", "is_said"), [("果ての茶屋", True), ("Ｈａｒｂｏｒ  days", False), ("HARBOR DAYS", False)]
)
def test_a_japanese_title_that_is_the_title_is_said_once(japanese: str, is_said: bool) -> None:
    record = MangaRecord("MNG-AAAAAAAA", "Harbor Days", title_ja=japanese, synopsis="A harbor.")
    inputs = title_inputs(SIMILAR, record)
    assert ("title_ja:" in build_prompt(SIMILAR, inputs, HAIKU).user) is is_said
    assert inputs.fields["title_ja"] == japanese.replace("  ", " ")


def test_a_label_of_two_lists_is_said_once() -> None:
    record = MangaRecord(
        "MNG-AAAAAAAA",
        "Harbor",
        publisher_genres=("Comedy", "Drama"),
        themes=("comedy", "Sea"),
        demographics=("drama",),
    )
    user = build_prompt(SIMILAR, title_inputs(SIMILAR, record), HAIKU).user
    labels = [line for line in user.split("\n") if line.startswith(("publisher", "themes", "demographics"))]
    assert sorted(labels) == ["publisher_genres: Comedy; Drama", "themes: Sea"]
