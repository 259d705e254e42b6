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
    """label: said without having seen an answer. correction: said of an answer."""

    LABEL = "label"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class Label:
    """field, value: a column of the analysis' table, and a JSON value; None takes back what was said before.

    by: who says so, as the team calls them (initials are enough). at: when, UTC. why: a note; "" for none.
    """

    manga_id: str
    analysis: str
    field: str
    value: Any
    by: str
    at: datetime
    why: str = ""
    kind: LabelKind = LabelKind.LABEL


def standing(labels: Iterable[Label]) -> dict[str, dict[str, Any]]:
    """What holds: manga_id -> field -> value. labels: oldest first; of the same moment the later one counts."""
    found: dict[str, dict[str, Any]] = {}
    for label in sorted(labels, key=lambda each: each.at):
        fields = found.setdefault(label.manga_id, {})
        if label.value is None:
            fields.pop(label.field, None)
        else:
            fields[label.field] = label.value
    return {manga_id: fields for manga_id, fields in found.items() if fields}
