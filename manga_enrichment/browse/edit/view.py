"""What an editor's page of a title has beyond a reader's: fields to fill in, what was corrected, what went wrong.

Belongs here: gathering that. Stays out: addresses (`routes.py`), markup (`templates/correcting.html`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from manga_enrichment.browse.edit.fields import Field
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.labels.labels import Label, standing_corrections

Place = tuple[str, str]
"""Analysis and field."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What could not be kept: where, why, and what was filled in; of the form that takes back, or that corrects."""

    place: Place
    sentence: str
    typed: Sequence[str]
    because: str
    is_taking_back: bool


@dataclass(frozen=True, slots=True)
class Editable:
    """who: the editor; sign: of forms (`genuine.py`). standing: what readers get instead of the answer. said: newest
    first. done: `corrected`, `taken_back` or "", where the page follows a change of `place`."""

    who: str
    sign: str
    fields: Mapping[Place, Field]
    standing: Mapping[Place, Label] = field(default_factory=dict)
    said: Sequence[Label] = ()
    done: str = ""
    place: Place = ("", "")
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Corrections of all titles, of one page, newest first. analysis: the only one, or ""."""

    rows: Sequence[Label]
    total: int
    analysis: str
    page: int
    pages: int


def fields_of(analyses: Iterable[AnalysisType]) -> dict[Place, Field]:
    return {(each.name, column.name): Field(column) for each in analyses for column in each.columns}


def standing_of(said: Iterable[Label]) -> dict[Place, Label]:
    return {(each.analysis, each.field): each for each in standing_corrections(said)}
