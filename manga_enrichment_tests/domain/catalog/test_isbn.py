"""ISBNs and their check digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.isbn import isbn13, isbn13_check_digit


@pytest.mark.parametrize(
    "text",
    ["9784088725093", "978-4-08-872509-3", " ISBN 978 4 08 872509 3 ", "ISBN-13: 9784088725093", "4-08-872509-3"],
)
def test_one_isbn_in_many_spellings(text: str) -> None:
    assert isbn13(text) == "9784088725093"


def test_the_check_digit_of_an_isbn_10_can_be_x() -> None:
    assert isbn13("0-8044-2957-X") == "9780804429573"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9784088725094",
        "XXXXXXXXX1",
        "978408872509",
        "97840887250933",
        "1234567890128",
        "９７８４０８８７２５０９３",
        "9784088725093\x00",
        "4088725094",
    ],
)
def test_what_is_no_isbn_is_none(text: str) -> None:
    assert isbn13(text) is None


@given(st.from_regex(r"97[89][0-9]{9}", fullmatch=True).filter(str.isascii), st.integers(0, 11), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(first_twelve: str, place: int, change: int) -> None:
    whole = first_twelve + isbn13_check_digit(first_twelve)
    assert isbn13(whole) == whole
    wrong = whole[:place] + str((int(whole[place]) + change) % 10) + whole[place + 1 :]
    assert isbn13(wrong) is None


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    result = isbn13(text)
    assert result is None or len(result) == 13
