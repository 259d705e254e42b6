"""Items that ask the same are asked once, and every item finds its way to its answer."""

from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.requests.reading.duplicates import unique_items

ITEM = {"manga_id": "MNG-ABCD1234", "analysis_type": "reading_level"}
ITEMS = st.fixed_dictionaries(
    {
        "manga_id": st.sampled_from(["MNG-ABCD1234", "MNG-WXYZ5678"]),
        "analysis_type": st.sampled_from(["reading_level", "content_summary"]),
    },
    optional={"additional_context": st.sampled_from(["", "a", " a\n", "b"])},
)


def test_a_hundred_identical_items_are_one_question() -> None:
    unique = unique_items([ITEM] * 100)
    assert unique.items == (ITEM,)
    assert unique.index_of == (0,) * 100
    assert unique.repeated == 99


def test_items_differ_by_title_by_analysis_and_by_note() -> None:
    different = [
        ITEM,
        {**ITEM, "manga_id": "MNG-WXYZ5678"},
        {**ITEM, "analysis_type": "content_summary"},
        {**ITEM, "additional_context": "2nd edition"},
    ]
    unique = unique_items([*different, *reversed(different)])
    assert unique.items == tuple(different)
    assert unique.index_of == (0, 1, 2, 3, 3, 2, 1, 0)


def test_white_space_around_a_note_makes_no_difference() -> None:
    unique = unique_items([{**ITEM, "additional_context": "x"}, {**ITEM, "additional_context": " x\n"}])
    assert len(unique.items) == 1


@given(st.lists(ITEMS, max_size=12))
def test_every_item_is_answered_by_one_that_asks_the_same_and_none_is_asked_twice(items: list[dict[str, str]]) -> None:
    def asks(item: dict[str, str]) -> tuple[str, str, str]:
        return item["manga_id"], item["analysis_type"], item.get("additional_context", "").strip()

    unique = unique_items(items)
    questions = [asks(dict(item)) for item in unique.items]
    assert len(set(questions)) == len(questions)
    assert [questions[place] for place in unique.index_of] == [asks(item) for item in items]
    assert list(dict.fromkeys(unique.index_of)) == list(range(len(unique.items)))
