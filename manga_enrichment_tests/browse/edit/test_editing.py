"""An editor corrects an answer in the browser, takes it back, and everybody sees who did and why."""

import re

import pytest

from manga_enrichment.domain.labels.labels import LabelKind
from manga_enrichment.pipeline.labels.store import read_labels
from manga_enrichment_tests.browse_desk import LEVEL, TITLE, Desk, text_of
from manga_enrichment_tests.browse_world import HOSTILE, Site
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.door import EDITOR

OTHER = "ken@example.com"


def level_of(desk: Desk) -> str:
    """What the model says."""
    found = re.search(r"<dt>reading level</dt><dd><bdi>(\w+)</bdi>", desk.get(TITLE).text)
    assert found is not None
    return found[1]


def another(level: str) -> str:
    return "adult" if level != "adult" else "teen"


def test_a_correction_leads_back_to_the_title_which_says_so(desk: Desk) -> None:
    was = level_of(desk)
    answer = desk.send("correct", {"value": another(was)})
    assert (answer.status, answer.headers["location"]) == (
        303,
        f"{TITLE}?done=corrected&of=reading_level.reading_level#done",
    )
    page = text_of(desk.get(answer.headers["location"]).text)
    assert f"Reading level is corrected: {another(was)}." in page
    assert f"corrected by {EDITOR}, 2026-01-15 03:00 UTC, because: The cover says 16+. The model said: {was}" in page


def test_the_record_says_who_when_what_it_was_what_it_is_and_why(desk: Desk) -> None:
    was = level_of(desk)
    desk.send("correct", {"value": another(was)})
    desk.clock.advance(60)
    desk.send("take-back", {"because": "I looked at another edition."}, who=OTHER)
    first, second = read_labels(desk.tables, "reading_level")
    assert (first.by, first.replaced, first.value, first.why) == (EDITOR, was, another(was), "The cover says 16+.")
    assert (second.by, second.replaced, second.kind) == (OTHER, another(was), LabelKind.TAKEN_BACK)
    assert (second.at - first.at).total_seconds() == 60
    history = text_of(desk.get(TITLE).text)
    assert "I looked at another edition." in history
    assert "The cover says 16+." in history


def test_a_correction_that_was_taken_back_leaves_what_the_model_says(desk: Desk) -> None:
    was = level_of(desk)
    desk.send("correct", {"value": another(was)})
    answer = desk.send("take-back", {"because": "Wrong title."})
    page = desk.get(answer.headers["location"]).text
    assert "The correction of reading level is taken back" in text_of(page)
    assert level_of(desk) == was


def test_two_editors_at_once_are_both_kept(desk: Desk) -> None:
    was = level_of(desk)
    first, second = [each for each in ("kids", "teen", "adult", "mature") if each != was][:2]
    overtaking = list[int]()
    desk.tables.before_write = lambda: overtaking.append(desk.send("correct", {"value": second}, who=OTHER).status)
    assert desk.send("correct", {"value": first}).status == 303
    assert overtaking == [303]
    assert {(each.by, each.value) for each in read_labels(desk.tables, "reading_level")} == {
        (EDITOR, first),
        (OTHER, second),
    }


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("reading_level.min_age", "16", 16),
        ("content_summary.contains_spoilers", "yes", True),
        ("content_summary.content_warnings", ["gore", "bullying"], ["gore", "bullying"]),
        ("content_summary.summary_en", "A girl keeps a shop by the sea, and ghosts buy from it.", None),
        ("genre_classification.story_themes", "the sea\r\n\r\nghosts", ["the sea", "ghosts"]),
        (
            "genre_classification.genres",
            "horror | 0.9\r\nmystery | 0.4",
            [{"genre": "horror", "confidence": 0.9}, {"genre": "mystery", "confidence": 0.4}],
        ),
    ],
)
def test_each_kind_of_field_can_be_filled_in(desk: Desk, field: str, value: str | list[str], kept: object) -> None:
    analysis, _, name = field.partition(".")
    answer = desk.send("correct", {"analysis": analysis, "field": name, "value": value})
    assert answer.status == 303, text_of(answer.text)
    (said,) = read_labels(desk.tables, analysis)
    assert (said.field, said.value) == (name, value if kept is None else kept)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"value": "banana"}, "It is one of kids, teen, adult, mature, not 'banana'"),
        ({"value": ""}, "It is one of kids, teen, adult, mature, not ''"),
        ({"value": "adult", "because": "  "}, "because is needed"),
        ({"value": "adult", "because": "x" * 1001}, "because is needed, in 1 to 1000"),
        ({"field": "min_age", "value": "sixteen"}, "It is a whole number, not 'sixteen'"),
        ({"field": "min_age", "value": "-3"}, "min_age cannot be that"),
        ({"field": "min_age", "value": "NaN"}, "It is a whole number"),
        ({"analysis": "content_summary", "field": "summary_en", "value": "  "}, "summary_en cannot be that"),
        ({"analysis": "content_summary", "field": "content_warnings", "value": ["gore", "cats"]}, "cannot be that"),
        ({"analysis": "genre_classification", "field": "genres", "value": "horror"}, "A line is genre | confidence"),
        ({"analysis": "genre_classification", "field": "genres", "value": "horror | 7"}, "genres cannot be that"),
    ],
)
def test_what_cannot_be_is_said_beside_the_field_and_stays_filled_in(
    desk: Desk, fields: dict[str, str | list[str]], sentence: str
) -> None:
    answer = desk.send("correct", {"because": "Kept <reason>", **fields})
    place = f"{fields.get('analysis', 'reading_level')}-{fields.get('field', 'reading_level')}"
    assert answer.status == 422
    form = answer.text[answer.text.index(f'id="w-{place}-fault"') :].partition("</form>")[0]
    assert sentence in text_of(form.partition(">")[2])
    assert ("Kept &lt;reason&gt;" in form) is ("because" not in fields)
    assert desk.labels() == []


def test_what_is_not_there_cannot_be_corrected(desk: Desk) -> None:
    assert desk.send("correct", {"field": "height", "value": "1"}).status == 422
    assert desk.send("correct", {"analysis": "nothing", "value": "1"}).status == 422
    assert desk.send("take-back", {}).status == 422
    assert "no correction that could be taken back" in text_of(desk.send("take-back", {}).text)
    assert desk.send("correct", {"value": "adult"}, title="/titles/MNG-NOTHING").status == 404
    assert desk.send("correct", {"value": "adult"}, title=f"/titles/{title_id(2)}").status == 422  # has no answer
    assert desk.labels() == []


def test_markup_in_a_reason_or_a_value_is_text_everywhere(desk: Desk) -> None:
    summary = {"analysis": "content_summary", "field": "summary_en"}
    assert desk.send("correct", {**summary, "value": HOSTILE, "because": HOSTILE}).status == 303
    assert desk.send("take-back", {**summary, "because": HOSTILE}).status == 303
    refused = desk.send("correct", {"value": HOSTILE, "because": HOSTILE})
    for page in (refused.text, desk.get(TITLE).text, desk.get("/corrections").text):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "<script" not in page
        assert "<img" not in page


def test_all_corrections_latest_first_and_of_one_analysis(desk: Desk) -> None:
    assert "Nobody has corrected an answer yet" in desk.get("/corrections").text
    desk.send("correct", {"value": another(level_of(desk))})
    desk.clock.advance(60)
    summary = {"analysis": "content_summary", "field": "contains_spoilers", "value": "yes", "because": "Volume 9."}
    desk.send("correct", summary, who=OTHER)
    page = text_of(desk.get("/corrections").text)
    assert "2 corrections" in page
    assert page.index("Volume 9.") < page.index("The cover says 16+.")
    assert "The Bookshop by the Sea 1" in page
    only = text_of(desk.get("/corrections?analysis=reading_level&page=1").text)
    assert "1 correction" in only
    assert "Volume 9." not in only
    assert desk.get("/corrections?analysis=nothing&page=nope").status == 200


def test_a_link_cannot_make_a_page_say_what_is_not_so(desk: Desk) -> None:
    for of in ("reading_level.reading_level", "x.y", "", "<b>.c"):
        page = desk.get(f"{TITLE}?done=corrected&of={of}").text
        assert 'id="done"' not in page
    assert 'id="done"' not in desk.get(f"{TITLE}?done=taken_back&of=x.y").text


def test_without_edit_there_is_nothing_that_changes_anything(site: Site) -> None:
    assert {method for route in site.app.routes for method in route.methods} <= {"GET", "HEAD"}  # type: ignore[attr-defined]
    assert site.post(f"{TITLE}/correct", b"value=adult", {}).status == 404
    assert site.get("/corrections").status == 404
    assert "<form method" not in site.get(TITLE).text
    assert LEVEL["field"] in site.get(TITLE).text.replace(" ", "_")
