"""Corrections: what may be said of an answer, and what readers get instead of it.

Belongs here: checking a value, which corrections stand, laying them over rows. Stays out: where they are kept
(`store.py`), how one is made and shown at once (`pipeline/editing/editing.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.analyses.answer_schemas import cell
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.analyses.shaping import shaped
from manga_enrichment.domain.analyses.validation import value_problems
from manga_enrichment.domain.labels.labels import Label, standing_corrections
from manga_enrichment.gateways.objects import TableReader
from manga_enrichment.pipeline.labels.store import read_said_of_answers


class CorrectionError(Exception):
    """What cannot be corrected so, and what to do about it, in a sentence."""


def check_correction(analysis: AnalysisType, field: str, value: Any) -> Any:
    """The value as the table has it. field: a column; value: JSON's, None where the column may be null.

    Raises CorrectionError.
    """
    schema = _schema(analysis, field)
    problems = value_problems(schema, value)
    if problems:
        raise CorrectionError(f"{field} cannot be that: {'; '.join(problems)}")
    return cell(schema, value)


def correction_in(analysis: AnalysisType, field: str, text: str) -> Any:
    """What somebody typed, as `check_correction` returns it: words as they are, all else as JSON, lists of words also
    with `;` between them, null for nothing where that may be. Raises CorrectionError."""
    schema = _schema(analysis, field)
    value = shaped(schema, text.strip())
    if isinstance(value, str) and schema.get("items", {}).get("type") == "string":
        value = [part.strip() for part in value.split(";") if part.strip()]
    return check_correction(analysis, field, value)


@dataclass(frozen=True, slots=True)
class Corrections:
    """Of one analysis, as they stand. by_title: by manga_id, one a field."""

    analysis: AnalysisType
    by_title: Mapping[str, Sequence[Label]]

    def of(self, manga_id: str) -> dict[str, Any]:
        """Field -> value. Without those that today's schema refuses: the analysis may have been another one then."""
        return {each.field: each.value for each in self.by_title.get(manga_id, ()) if is_fitting(self.analysis, each)}

    def in_answer(self, manga_id: str) -> dict[str, Any]:
        """As `of`, by the properties of the answer, which columns may be called after."""
        found = self.of(manga_id) if manga_id in self.by_title else {}
        return {_properties(self.analysis)[field]: value for field, value in found.items()}


def answer_of(analysis: AnalysisType, row: Mapping[str, Any]) -> dict[str, Any]:
    """The answer that a row of the analysis' table was made of. row: with its columns at least."""
    return {name: row[column] for column, name in _properties(analysis).items()}


def is_fitting(analysis: AnalysisType, correction: Label) -> bool:
    """Whether today's schema takes it."""
    try:
        check_correction(analysis, correction.field, correction.value)
    except CorrectionError:
        return False
    return True


def corrections_of(objects: TableReader, analyses: Iterable[AnalysisType], manga_id: str = "") -> list[Label]:
    """All that was said of answers and taken back, oldest first; of one analysis in the order in which it was kept,
    whatever the clocks showed. manga_id: of one title."""
    ids = pa.array([manga_id]) if manga_id else None
    said = (read_said_of_answers(objects, analysis.name, ids) for analysis in analyses)
    return list(merge(*said, key=lambda each: each.at))


def read_corrections(objects: TableReader, analysis: AnalysisType, ids: pa.Array | None = None) -> Corrections:
    """What readers get instead of answers. ids: of these titles, which costs little however many others have some."""
    by_title: dict[str, list[Label]] = {}
    for each in standing_corrections(read_said_of_answers(objects, analysis.name, ids)):
        by_title.setdefault(each.manga_id, []).append(each)
    return Corrections(analysis, by_title)


def _schema(analysis: AnalysisType, field: str) -> Mapping[str, Any]:
    """Of the property that a column is made of. Raises CorrectionError."""
    if analysis.parts:
        raise CorrectionError(f"{analysis.name} fills other tables: correct {', '.join(analysis.parts)}")
    properties = _properties(analysis)
    if field not in properties:
        has = f"its fields are {', '.join(properties)}" if properties else "it has no table that could be corrected"
        raise CorrectionError(f"{analysis.name} has no field {field!r:.60}: {has}")
    found: Mapping[str, Any] = analysis.output_schema["properties"][properties[field]]
    return found


def _properties(analysis: AnalysisType) -> dict[str, str]:
    """Column -> property of the answer that it is made of: they stand in one order."""
    names = [each.name for each in analysis.columns]
    return dict(zip(names, analysis.output_schema["properties"], strict=True)) if names else {}
