"""Rules of `genre_classification.toml`: each genre once, the primary one among them, stored most certain first."""

from typing import Any

from manga_enrichment.domain.analyses.base import Answer, Rules, TitleInputs


def _check(answer: Answer, _inputs: TitleInputs) -> list[str]:
    named = [entry["genre"] for entry in answer["genres"]]
    problems = []
    if len(set(named)) != len(named):
        problems.append("genres: a genre is listed twice")
    if answer["primary_genre"] not in named:
        problems.append("primary_genre: not among genres")
    return problems


def _arranged(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "genres": sorted(row["genres"], key=lambda entry: -entry["confidence"])}


RULES = Rules(check=_check, arranged=_arranged)
