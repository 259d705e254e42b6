"""Rules of `content_moderation.toml`: quotes that the input has, and a verdict that follows from the categories."""

from collections import Counter
from collections.abc import Iterator, Mapping

from manga_enrichment.domain.analyses.base import Answer, Rules, TitleInputs
from manga_enrichment.domain.analyses.text import quotable, weighted_length

MINIMUM_QUOTE = 4
"""Weighted characters: less is found in any text. The whole of a field may be shorter."""

NOTE = "additional_context"
LOWEST_GATE: dict[str, int] = {"mild": 0, "moderate": 12, "severe": 16}
"""By severity, years below which nobody may be shown what is so severe."""
ALWAYS_REVIEWED = "sexualised_minors"


def _check(answer: Answer, inputs: TitleInputs) -> list[str]:
    return [*_repeated(answer), *_invented(answer, inputs), *_verdict_problems(answer)]


def _repeated(answer: Answer) -> Iterator[str]:
    counts = Counter(each["category"] for each in answer["categories"])
    yield from (f"categories: {name} is there {count} times" for name, count in counts.items() if count > 1)


def _invented(answer: Answer, inputs: TitleInputs) -> Iterator[str]:
    """Quotes that their field does not have, or that any text has."""
    shown = {name: quotable(value) for name, value in inputs.fields.items()}
    shown[NOTE] = quotable(inputs.additional_context)
    for place, category in enumerate(answer["categories"]):
        for number, each in enumerate(category["evidence"]):
            text, quote = shown.get(each["field"], ""), quotable(each["quote"])
            path = f"categories.{place}.evidence.{number}.quote"
            if quote not in text:
                yield f"{path}: {each['field']} does not have these words: quote it letter by letter"
            elif weighted_length(quote) < MINIMUM_QUOTE and quote != text:
                yield f"{path}: too short to show anything"


def _verdict_problems(answer: Answer) -> Iterator[str]:
    found: Mapping[str, str] = {each["category"]: each["severity"] for each in answer["categories"]}
    verdict, gate = answer["verdict"], answer["age_gate"]
    lowest = max((LOWEST_GATE[severity] for severity in found.values()), default=0)
    if gate < lowest:
        yield f"age_gate: at least {lowest} with what the categories say"
    if verdict == "allow" and gate:
        yield "verdict: allow goes with an age_gate of 0"
    if verdict == "age_gate" and not gate:
        yield "verdict: age_gate goes with an age_gate above 0"
    if verdict != "review" and ALWAYS_REVIEWED in found:
        yield f"verdict: {ALWAYS_REVIEWED} is always for review"


RULES = Rules(check=_check)
