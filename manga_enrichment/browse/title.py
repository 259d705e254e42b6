"""One title: its text, its answers and where each came from, what is missing and why, what was before, what is like it.

Belongs here: reading that from the local copy, no more files than the title's bucket has. Stays out: how it is shown
(`pages.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from manga_enrichment.browse.local_copy import CopiedFile
from manga_enrichment.browse.shelf import State
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.log.rows import PARTNER_TRIGGER
from manga_enrichment.pipeline.publish.tables import PartitionKey

Row = Mapping[str, Any]
MOST_ATTEMPTS = 500


@dataclass(slots=True)
class Answer:
    """One analysis of a title. row: of its table, None without an answer; outcome: why, None when nobody decided yet.

    cost_micro_usd: of all attempts at the answer that stands. attempts: all, newest first; each has `stands`.
    """

    analysis: AnalysisType
    row: Row | None
    outcome: Row | None
    cost_micro_usd: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def why(self) -> str:
        """The answer that stands was asked for; "" where nobody noted it."""
        return next((str(each["why"]) for each in self.attempts if each["stands"] and each["why"]), "")

    @property
    def why_missing(self) -> str:
        """In words; "" when it is there."""
        if self.row is not None:
            return ""
        if self.outcome is None:
            return "no run has planned it yet"
        if self.outcome["outcome"] == Outcome.SUCCEEDED.value:
            return "it was answered; the table is written at the end of the run"
        said = (self.outcome["outcome"], self.outcome["error_class"], self.outcome["reason"])
        return ": ".join(dict.fromkeys(each.replace("_", " ") for each in said if each))


@dataclass(frozen=True, slots=True)
class Title:
    """record: the wide row; similar: titles that its answer names, in order; named_by: those whose answers name it."""

    manga_id: str
    bucket: str
    record: Row
    answers: Sequence[Answer]
    similar: Sequence[Row]
    named_by: Sequence[Row]
    changes: Sequence[Row]


def read_title(state: State, analyses: Sequence[AnalysisType], manga_id: str) -> Title | None:
    """None for a title that the index does not have."""
    asked = _Asked(state, manga_id)
    rows = asked.rows("SELECT bucket FROM titles WHERE manga_id = $manga_id")
    if not rows:
        return None
    asked.bucket = rows[0]["bucket"]
    record = next(iter(asked.of_bucket("enriched_catalog")), None)
    if record is None:  # it left between the index and the copy
        return None
    attempts = asked.attempts()
    outcomes = {row["analysis"]: row for row in asked.of_bucket("outcomes")}
    answers = [_answer(each, asked.of_bucket(each.name), outcomes.get(each.name), attempts) for each in analyses]
    return Title(manga_id, asked.bucket, record, answers, _similar(asked, record), _named_by(asked), asked.changes())


def read_tombstone(state: State, manga_id: str) -> Row | None:
    """Of a title that left the catalog."""
    asked = _Asked(state, manga_id)
    return next(iter(asked.of_files("catalog_tombstones", lambda _file: True)), None)


class _Asked:
    """Questions about one title."""

    def __init__(self, state: State, manga_id: str) -> None:
        self._state, self._manga_id = state, manga_id
        self._cursor: duckdb.DuckDBPyConnection = state.connection.cursor()
        self.bucket = ""

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        return list(self._cursor.sql(sql, params={"manga_id": self._manga_id, **values}).to_arrow_table().to_pylist())

    def of_bucket(self, table: str) -> list[dict[str, Any]]:
        return self.of_files(table, lambda file: f"/bucket={self.bucket}/" in f"/{file.path}")

    def of_files(self, table: str, is_wanted: Callable[[CopiedFile], bool], order: str = "ALL") -> list[dict[str, Any]]:
        files = [str(file.local) for file in self._state.copy.of(table) if is_wanted(file)]
        if not files:
            return []
        keys = [key.value for key in PartitionKey if f"/{key.value}=" in files[0]]
        kinds = ", ".join(f"'{key}': VARCHAR" for key in keys)
        hive = f"hive_partitioning = true, hive_types = {{{kinds}}}" if kinds else "hive_partitioning = false"
        return self.rows(
            f"SELECT * FROM read_parquet($files, {hive}) "  # noqa: S608 (our own words)
            f"WHERE manga_id = $manga_id ORDER BY {order}",
            files=files,
        )

    def attempts(self) -> list[dict[str, Any]]:
        """Newest first; a partner's row once, though it may lie in two objects."""
        rows = self.of_files("requests", self._may_have_attempts, "started_at DESC, attempt DESC")
        seen: list[dict[str, Any]] = []
        for row in rows:
            if row["trigger"] != PARTNER_TRIGGER or row not in seen:
                seen.append(row)
        return seen[:MOST_ATTEMPTS]

    def _may_have_attempts(self, file: CopiedFile) -> bool:
        """A run's object is of one bucket, partners' are of all (`pipeline/log/append.py`)."""
        return file.name.endswith(f"-{self.bucket}.parquet") or file.name.startswith("h")

    def changes(self) -> list[dict[str, Any]]:
        """Of its wide row, newest first; not its coming, whose row is everything."""
        rows = self.of_files("enriched_changes", lambda file: f"-{self.bucket}-" in file.name, "changed_at DESC, field")
        return [row for row in rows if row["kind"] == "changed"]


def _answer(
    analysis: AnalysisType, rows: Sequence[Row], outcome: Row | None, attempts: Sequence[dict[str, Any]]
) -> Answer:
    row = rows[0] if rows else None
    of_answer = row["fingerprint"] if row else None
    via = {analysis.name, row["via"]} if row else {analysis.name}
    own = [{**each, "stands": _stands(each, of_answer)} for each in attempts if each["analysis"] in via]
    cost = sum(each["cost_micro_usd"] for each in own if of_answer is not None and each["fingerprint"] == of_answer)
    return Answer(analysis, row, outcome, cost, own)


def _stands(attempt: Row, fingerprint: str | None) -> bool:
    """Whether it brought the answer that is in the table."""
    return bool(attempt["fingerprint"] == fingerprint and attempt["status"] == Outcome.SUCCEEDED.value)


def _similar(asked: _Asked, record: Row) -> list[dict[str, Any]]:
    named = list(record.get("similar_titles") or [])
    ids = [each["manga_id"] for each in named]
    known = {
        row["manga_id"]: row
        for row in asked.rows(
            "SELECT manga_id, title, primary_genre, reading_level FROM titles WHERE list_contains($ids, manga_id)"
            " AND $manga_id <> ''",
            ids=ids,
        )
    }
    return [
        {"title": None, "primary_genre": None, "reading_level": None, **known.get(each["manga_id"], {}), **each}
        for each in named
    ]


def _named_by(asked: _Asked) -> list[dict[str, Any]]:
    return asked.rows(
        "SELECT t.manga_id, t.title, t.primary_genre, t.reading_level, l.score FROM likes AS l "
        "JOIN titles AS t ON t.manga_id = l.manga_id WHERE l.other_id = $manga_id "
        "ORDER BY l.score DESC, t.manga_id LIMIT 50"
    )
