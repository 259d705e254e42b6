"""Items of a batch that ask the same thing: answered once, reported for each.

Belongs here: which items are the same, and the way back from answers to items. Stays out: whether an answer exists
already (the ledger).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class UniqueItems:
    """items: each different item once, in order of appearance. index_of: for each item as sent, its place in items."""

    items: tuple[Mapping[str, Any], ...]
    index_of: tuple[int, ...]

    @property
    def repeated(self) -> int:
        """How many of the sent items repeat an earlier one."""
        return len(self.index_of) - len(self.items)


def unique_items(items: Sequence[Mapping[str, Any]]) -> UniqueItems:
    """Items of a normalised batch without repetitions: same title, same analysis, same note."""
    places: dict[tuple[str, str, str], int] = {}
    unique: list[Mapping[str, Any]] = []
    index_of = []
    for item in items:
        key = (item["manga_id"], item["analysis_type"], item.get("additional_context", "").strip())
        if key not in places:
            places[key] = len(unique)
            unique.append(item)
        index_of.append(places[key])
    return UniqueItems(tuple(unique), tuple(index_of))
