"""A label: what a person says of one field of one title. Later ones take the place of earlier ones, which stay.

Belongs here: the record and what counts of many. Stays out: where they are kept (`pipeline/labels/store.py`), sheets
(`sheets.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class LabelKind(StrEnum):
    """label: said without having seen an answer. correction: said of an answer; readers get it instead. taken_back: the
    correction before it holds no more."""

    LABEL = "label"
    CORRECTION = "correction"
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True)
class Label:
    """field, value: a column of the analysis' table, and a JSON value; of a label None takes back what was said before,
    of a correction it is the right value.

    by: who says so, as the team calls them (initials are enough). at: when, UTC. why: a note; "" for none. replaced:
    what readers got until then; None where nobody noted it.
    """

    manga_id: str
    analysis: str
    field: str
    value: Any
    by: str
    at: datetime
    why: str = ""
    kind: LabelKind = LabelKind.LABEL
    replaced: Any = None


def standing(labels: Iterable[Label]) -> dict[str, dict[str, Any]]:
    """What is true of titles: manga_id -> field -> value, of labels and corrections whatever was said last.

    labels: in the order in which they were kept, whatever the clocks of those who said them showed (`at`). What a
    correction covered holds again when that is taken back.
    """
    found: dict[str, dict[str, Any]] = {}
    for label in _last(labels):
        fields = found.setdefault(label.manga_id, {})
        if label.value is None:
            fields.pop(label.field, None)
        else:
            fields[label.field] = label.value
    return {manga_id: fields for manga_id, fields in found.items() if fields}


def standing_corrections(labels: Iterable[Label]) -> list[Label]:
    """What readers get instead of answers, one a title and field. labels: as of `standing`."""
    return [each for each in _last(labels) if each.kind is LabelKind.CORRECTION]


def _last(labels: Iterable[Label]) -> list[Label]:
    """Of each title and field the last label and the correction that stands, in the order in which these were said."""
    last: dict[tuple[str, str, bool], Label] = {}
    for each in labels:
        key = (each.manga_id, each.field, each.kind is LabelKind.LABEL)
        last.pop(key, None)
        last[key] = each
    return [each for each in last.values() if each.kind is not LabelKind.TAKEN_BACK]
