"""Rules of `similar_series.toml`: only candidates, each once, best first; and enough of them to choose from."""

from itertools import pairwise

from manga_enrichment.domain.analyses.base import Answer, Rules, TitleInputs

MINIMUM_CANDIDATES = 3
"""Fewer leave nothing to rank."""


def _sufficient(inputs: TitleInputs) -> str | None:
    if not inputs.candidates:
        return "it shares nothing with any other title of the catalog"
    if len(inputs.candidates) < MINIMUM_CANDIDATES:
        return f"fewer than {MINIMUM_CANDIDATES} candidates to compare with"
    return None


def _check(answer: Answer, inputs: TitleInputs) -> list[str]:
    named = [entry["manga_id"] for entry in answer["similar"]]
    offered = {candidate.manga_id for candidate in inputs.candidates}
    problems = [f"similar: {manga_id} is not a candidate" for manga_id in named if manga_id not in offered]
    if inputs.manga_id in named:
        problems.append("similar: names the title itself")
    if len(set(named)) != len(named):
        problems.append("similar: a title is listed twice")
    if any(after["score"] > before["score"] for before, after in pairwise(answer["similar"])):
        problems.append("similar: scores rise down the list")
    return problems


RULES = Rules(check=_check, sufficient=_sufficient)
