"""Strings that break other programs do not break the validator, wherever they stand.

Two lists: the project's own, by what is wrong with a string, and the public Big List of Naughty Strings (MIT).
"""

import base64
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.requests.problems import MAX_MESSAGE_CHARACTERS
from manga_enrichment.domain.requests.reading.envelope import Rejection, parse_envelope, read_request
from manga_enrichment.domain.requests.validation import RequestPolicy, validate
from manga_enrichment_tests.request_bodies import TEXT_PLACES, VALID_BODIES, body_with, envelope, places, valid_body

LISTED: dict[str, list[str]] = json.loads(Path(__file__).with_name("naughty_strings.json").read_text("ascii"))
PUBLIC = [
    base64.b64decode(each).decode("utf-8", "surrogatepass")
    for each in json.loads(Path(__file__).with_name("big_list_of_naughty_strings.json").read_text("ascii"))
]
LONG = ["a" * 17_000, "漢" * 16_001, "😀" * 8_001, "a " * 9_000, "(" * 3_000, "\n" * 5_000, "\ud800" * 3_000]
BY_LIST = {**LISTED, "long": LONG, "the public list": PUBLIC}
NAUGHTY = [text for texts in BY_LIST.values() for text in texts]

# Categories of which no string may reach a model, and those of which none is a reason to refuse.
REFUSED = ["control characters", "lone surrogates", "noncharacters", "hidden text"]
HARMLESS = [
    "numbers as text",
    "null-like words",
    "two-byte characters",
    "emoji",
    "quotes and escapes",
    "markup",
    "query languages",
    "shell and templates",
    "formulas",
    "instructions to models",
    "names of things",
]
FLAG = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
HONEST = {FLAG, "line\rover"}
"""What shares a category with worse strings."""


@pytest.mark.parametrize("schema", VALID_BODIES)
@pytest.mark.parametrize("category", BY_LIST)
def test_at_any_place_it_is_judged_without_being_changed_or_repeated(schema: str, category: str) -> None:
    for text in BY_LIST[category]:
        for place in places(valid_body(schema)):
            body = body_with(schema, place, text)
            before = copy.deepcopy(body)
            result = validate(schema, body)
            assert body == before
            for each in (*result.errors, *result.warnings):
                assert len(each.message) <= MAX_MESSAGE_CHARACTERS
                assert (each.message + each.path).isascii()
                assert (each.message + each.path).isprintable()
                assert len(text) < 10 or text not in each.message


@pytest.mark.parametrize("schema", VALID_BODIES)
def test_as_the_name_of_a_field_it_is_an_unknown_field(schema: str) -> None:
    for text in NAUGHTY:
        (found,) = validate(schema, body_with(schema, (text,), 1)).errors
        assert found.validator == "additionalProperties"
        assert found.message.isprintable()


def test_as_the_whole_body_it_is_no_object() -> None:
    for text in NAUGHTY:
        for schema in VALID_BODIES:
            assert [each.path for each in validate(schema, text).errors] == ["$"]
        assert not validate(text, {}).valid


@pytest.mark.parametrize(("schema", "place"), TEXT_PLACES)
@pytest.mark.parametrize("category", REFUSED)
def test_in_a_text_the_unreadable_and_the_hidden_are_refused(
    schema: str, place: tuple[Any, ...], category: str
) -> None:
    for text in LISTED[category]:
        result = validate(schema, body_with(schema, place, f"title {text} end"))
        assert result.valid == (text in HONEST), ascii(text)


@pytest.mark.parametrize(("schema", "place"), TEXT_PLACES)
@pytest.mark.parametrize("category", HARMLESS)
def test_in_a_text_what_is_only_unusual_is_welcome(schema: str, place: tuple[Any, ...], category: str) -> None:
    for text in LISTED[category]:
        if len(text) <= 150:
            assert validate(schema, body_with(schema, place, f"title {text} end")).errors == (), ascii(text)


def test_of_the_public_list_a_question_may_hold_all_but_what_nobody_can_see() -> None:
    """Refused are the empty, the invisible, controls of text direction and of terminals; odd text is welcome."""
    results = [validate("manga_query", body_with("manga_query", ("query",), text)) for text in PUBLIC]
    refused = [text for text, result in zip(PUBLIC, results, strict=True) if not result.valid]
    unseen = re.compile(r"[\s\u180e\u200b\ufeff]*|.*[\x07\x08\x1b\u202a\u202b\u2066].*", re.DOTALL)
    assert refused == [text for text in PUBLIC if unseen.fullmatch(text)]
    assert 0 < len(refused) < len(PUBLIC) / 20


@pytest.mark.parametrize("field", ["schema", "schema_version", "request_id", "submitted_at"])
def test_in_an_exact_field_of_the_envelope_it_is_refused(field: str) -> None:
    for text in NAUGHTY:
        assert isinstance(parse_envelope(json.dumps(envelope(**{field: text}))), Rejection), ascii(text[:40])


@pytest.mark.parametrize("field", ["partner_id", "source"])
def test_in_a_name_of_the_envelope_it_passes_only_as_a_plain_word(field: str) -> None:
    for text in NAUGHTY:
        found = parse_envelope(json.dumps(envelope(**{field: text})))
        is_plain_word = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", text) is not None
        assert is_plain_word or isinstance(found, Rejection), ascii(text[:40])


def test_as_a_message_it_is_rejected_in_plain_words() -> None:
    for text in NAUGHTY:
        found = read_request(text, RequestPolicy())
        assert isinstance(found, Rejection)
        assert found.message.isascii()
        assert found.message.isprintable()
