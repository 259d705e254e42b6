import pytest

from manga_enrichment.domain.outcomes.error_classes import TREATMENTS
from manga_enrichment.domain.outcomes.known_faults import KNOWN_FAULTS, folded, known_fault


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("messages.0.content.12: too many", "messages.3.content.1: too many"),
        ("Title MNG-0000A12 is odd (request 1f3a-22)", "Title MNG-99Z is odd (request 77-ab1)"),
        ("arn:aws:bedrock:us-east-1:123456789012:x is gone", "arn:aws:bedrock:eu-west-1:999:y is gone"),
    ],
)
def test_messages_that_differ_in_numbers_and_ids_are_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_messages_that_differ_in_words_are_not_the_same() -> None:
    assert folded("the field is blank") != folded("the field is long")


def test_every_fault_is_found_by_its_phrase_and_says_what_to_mend_where_it_is_no_titles() -> None:
    for fault in KNOWN_FAULTS:
        assert known_fault(f"Bedrock says: {fault.phrase.upper()}.") == fault
        assert TREATMENTS[fault.error_class].stops_analysis or not fault.mend
    assert known_fault("nobody has ever said this") is None
