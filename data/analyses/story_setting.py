"""What story_setting.toml cannot say: each piece of evidence once, and the best first."""

from typing import Any

from manga_enrichment.domain.analyses.base import Answer, Rules, TitleInputs


def check(answer: Answer, _inputs: TitleInputs) -> list[str]:
    """Problems that go back to the model for one repair; [] when the answer counts."""
    quotes = [each["quote"] for each in answer["evidence"]]
    return ["evidence: the same quote twice"] if len(set(quotes)) != len(quotes) else []


def arranged(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it is stored."""
    return {**row, "setting_evidence": sorted(row["setting_evidence"], key=lambda each: -each["weight"])}


RULES = Rules(check=check, arranged=arranged)
