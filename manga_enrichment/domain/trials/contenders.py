"""Who is tried: today's analysis and model, and those that might take their place.

Belongs here: a contender, from a document or a model's alias, and why one cannot be tried. Stays out: asking
(`pipeline/trials/`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.specs import ModelSpec

TODAY = "today"


class TrialError(ConfigurationError):
    """What cannot be tried, and what to do about it, in a sentence."""


@dataclass(frozen=True, slots=True)
class Contender:
    """name: what people call it, the alias of a model or the name of a file."""

    name: str
    analysis: AnalysisType
    model: ModelSpec

    @property
    def identity(self) -> tuple[str, str]:
        """What tells its answers from others'."""
        return self.analysis.version, self.model.model_id


def check_contenders(today: Contender, contenders: Sequence[Contender]) -> None:
    """Raises TrialError for one that is another, or that would leave less in the table than there is."""
    if not contenders:
        raise TrialError("Nothing to try: name a model (--model) or a document (--candidate)")
    seen = {today.identity: TODAY}
    twice = [name for name, count in Counter([TODAY, *(each.name for each in contenders)]).items() if count > 1]
    if twice:
        raise TrialError(f"Two contenders are called {twice[0]}: rename a file, or name each model once")
    for each in contenders:
        other = seen.setdefault(each.identity, each.name)
        if other != each.name:
            raise TrialError(
                f"{each.name} is what {other} is: version {each.analysis.version} of {today.analysis.name}, asked of "
                f"{each.model.model_id}; change its prompt, its model or its version"
            )
        fault = next(narrowings(today.analysis.output_schema, each.analysis.output_schema, "answer"), None)
        if fault is not None:
            raise TrialError(f"{each.name} narrows the answer: {fault}; answers of today would not fit beside its own")


def narrowings(before: Mapping[str, Any], after: Mapping[str, Any], where: str) -> Iterator[str]:
    """What a schema allowed or promised and another does not: properties, values. Bounds of length may change."""
    lost = [value for value in before.get("enum", ()) if value not in after.get("enum", (value,))]
    if lost:
        yield f"{where} no longer allows {', '.join(map(str, lost))}"
    if _types(before) - _types(after):
        yield f"{where} is no longer of type {', '.join(sorted(_types(before) - _types(after)))}"
    properties = after.get("properties", {})
    for name, schema in before.get("properties", {}).items():
        if name not in properties:
            yield f"{where} no longer has {name}"
        else:
            yield from narrowings(schema, properties[name], f"{where}.{name}")
        if name in before.get("required", ()) and name in properties and name not in after.get("required", ()):
            yield f"{where} no longer requires {name}"
    if "items" in before and "items" in after:
        yield from narrowings(before["items"], after["items"], f"{where}[]")


def _types(schema: Mapping[str, Any]) -> set[str]:
    found = schema.get("type", ())
    return {found} if isinstance(found, str) else set(found)
