"""Why a planned call is asked, for the requests log.

Belongs here: the words, and how one follows from what a table has and what became of the title before. Stays out: what
is asked (`planner.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.again.store import Presses
from manga_enrichment.pipeline.enrichment.planner import Action, Planned
from manga_enrichment.pipeline.store.in_order import InOrder
from manga_enrichment.pipeline.store.object_keys import outcomes_key, table_key

_COLUMNS = ("manga_id", "via", "model_id", "prompt_version", "answered_at")
_OUTCOMES = ("manga_id", "outcome", "decided_at")
_MOST_CHARACTERS = 200
"""Of the words of whoever had it asked again."""
_NOBODY = Presses()
_TRIED = (Outcome.FAILED.value, Outcome.DEFERRED.value)


class Why(StrEnum):
    """Of several that hold, the first is told. FORCED is followed by the words of whoever had it asked again."""

    FORCED = "forced"
    PROMPT = "new prompt"
    MODEL = "new model"
    CHANGED = "changed field"
    RETRY = "retry"
    NEW = "new"


class WhyAsked:
    """Of one bucket, some thousand titles at a time, in order. A table is opened when something of it is asked for."""

    def __init__(
        self,
        tables: ObjectStore,
        bucket: str,
        analyses: Mapping[str, AnalysisType],
        models: Mapping[str, ModelSpec],
        presses: Presses = _NOBODY,
        answers: Mapping[str, pq.ParquetFile | None] = MappingProxyType({}),
    ) -> None:
        """answers: tables that are open already, None for one that is not there."""
        self._tables, self._bucket, self._presses = tables, bucket, presses
        self._today = {name: (models[name].model_id, each.version) for name, each in analyses.items()}
        self._answers = {name: InOrder(file, _COLUMNS) for name, file in answers.items()}
        self._outcomes: dict[str, InOrder] = {}

    def told(self, planned: Iterable[Planned]) -> Iterator[Planned]:
        """The same, what is asked with its reason. planned: of titles after those of the last time."""
        items = list(planned)
        asked = [item for item in items if item.action is Action.ASK]
        reasons: dict[tuple[str, str], str] = {}
        for name in dict.fromkeys(name for item in asked for name in item.fills):
            ids = [item.manga_id for item in asked if name in item.fills]
            reasons |= {(manga_id, name): why for manga_id, why in self._whys(name, ids)}
        order = list(Why)
        for item in items:
            if item.action is not Action.ASK:
                yield item
                continue
            found = {Why(reasons[item.manga_id, name]) for name in item.fills}
            why = min(found, key=order.index, default=Why.NEW)
            yield replace(item, reason=self._forced(item) if why is Why.FORCED else why.value)

    def _forced(self, item: Planned) -> str:
        named = (self._presses.of_number(item.manga_id, name) for name in item.fills)
        last = max((each for each in named if each is not None), key=lambda each: each.number)
        words = " ".join(last.because.split())
        cut = words if len(words) <= _MOST_CHARACTERS else f"{words[: _MOST_CHARACTERS - 1]}…"
        return f"{Why.FORCED.value}: {cut}"

    def _is_since(self, manga_id: str, name: str, moment: datetime) -> bool:
        """Whether it was asked again after that."""
        press = self._presses.of_number(manga_id, name)
        return press is not None and press.at > moment

    def _whys(self, name: str, manga_ids: list[str]) -> Iterator[tuple[str, Why]]:
        ids = pa.array(manga_ids, pa.string())
        ends = min(manga_ids), max(manga_ids)
        answers = self._opened(self._answers, name, table_key(name, self._bucket), _COLUMNS)
        outcomes = self._opened(self._outcomes, name, outcomes_key(name, self._bucket), _OUTCOMES)
        rows, tries = (_rows_of(each.between(*ends), ids) for each in (answers, outcomes))
        for manga_id, row, tried in zip(manga_ids, rows, tries, strict=True):
            told_at = tried["decided_at"] if row is None and tried else row["answered_at"] if row else None
            if told_at is not None and self._is_since(manga_id, name, told_at):
                yield manga_id, Why.FORCED
            elif row is None:
                yield manga_id, Why.RETRY if tried and tried["outcome"] in _TRIED else Why.NEW
            else:
                model_id, version = self._today.get(row["via"], ("", ""))
                is_prompt, is_model = row["prompt_version"] != version, row["model_id"] != model_id
                yield manga_id, Why.PROMPT if is_prompt else Why.MODEL if is_model else Why.CHANGED

    def _opened(self, known: dict[str, InOrder], name: str, key: str, columns: Sequence[str]) -> InOrder:
        if name not in known:
            stored = self._tables.open(key)
            known[name] = InOrder(stored.file if stored else None, columns)
        return known[name]


def _rows_of(table: pa.Table | None, ids: pa.Array) -> list[dict[str, Any] | None]:
    """A row for each id, None where the table has none."""
    if table is None:
        return [None] * len(ids)
    places = pc.index_in(ids, value_set=table.column("manga_id"))
    rows = iter(table.take(places.drop_null()).to_pylist())
    return [next(rows) if place is not None else None for place in places.to_pylist()]
