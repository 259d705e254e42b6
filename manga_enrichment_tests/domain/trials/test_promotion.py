"""A promotion is a diff of the files in which documents and settings live, and touches nothing else in them."""

import json

import pytest

from manga_enrichment.domain.trials.promotion import Change, settings_change, with_model

BY_LANE = {"night": {"full_enrichment": "nova-lite"}, "low": {"*": "sonnet"}}


def test_another_model_for_the_night_leaves_the_other_lanes_as_they_are() -> None:
    assert with_model(BY_LANE, "reading_level", "sonnet") == {
        "night": {"full_enrichment": "nova-lite", "reading_level": "sonnet"},
        "low": {"*": "sonnet"},
    }
    assert with_model({}, "reading_level", "sonnet") == {"night": {"reading_level": "sonnet"}}
    assert BY_LANE == {"night": {"full_enrichment": "nova-lite"}, "low": {"*": "sonnet"}}


@pytest.mark.parametrize(
    ("before", "head", "tail"),
    [
        ("", "", ""),
        ("MANGA_BUCKET=b\n", "MANGA_BUCKET=b\n", ""),
        ("MANGA_BUCKET=b", "MANGA_BUCKET=b\n", ""),
        ("A=1\nMANGA_LANE_MODELS='{}'\nB=2\n", "A=1\n", "B=2\n"),
        ("# MANGA_LANE_MODELS=x\nexport MANGA_LANE_MODELS = {}\nB=2\n", "# MANGA_LANE_MODELS=x\nexport ", "B=2\n"),
    ],
)
def test_the_line_of_the_setting_is_replaced_or_added_and_no_other(before: str, head: str, tail: str) -> None:
    change = settings_change("settings.env", before, BY_LANE)
    assert change.after.startswith(head)
    assert change.after.endswith(tail)
    line = change.after.removeprefix(head).removesuffix(tail)
    name, value = line.strip().split("=", 1)
    assert name.strip() == "MANGA_LANE_MODELS"
    assert json.loads(value.strip("'")) == BY_LANE
    assert settings_change("settings.env", change.after, BY_LANE).diff == ""


def test_a_diff_shows_what_a_new_file_has_otherwise_than_the_packaged_one() -> None:
    change = Change("analyses/mood.toml", "", "a\nc\n", base="a\nb\n")
    assert change.diff == "--- a/analyses/mood.toml\n+++ b/analyses/mood.toml\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    assert Change("x", "a", "b").diff.endswith("-a\n+b\n")
