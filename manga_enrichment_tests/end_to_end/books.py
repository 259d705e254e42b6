"""What a night left behind: tables, requests log, budget, and the model server's own bill beside them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.budget import DynamoDBBudget
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.pipeline.log.read import read_log
from manga_enrichment.pipeline.store.object_keys import outcomes_key, table_key
from manga_enrichment.settings import Settings
from manga_enrichment_tests.builders import SINGLES


class Books:
    """Read under the local stack's environment."""

    def __init__(self, settings: Settings) -> None:
        clients = AwsClients()
        self.tables = S3ObjectStore(clients.s3, bucket=settings.bucket)
        self.budget = DynamoDBBudget(clients.dynamodb, table=settings.budget_table)
        self.buckets = bucket_keys(settings.catalog_buckets)

    def rows(self, name: str, columns: Sequence[str] = ("manga_id",)) -> list[dict[str, Any]]:
        """Rows of a table over all buckets."""
        return self._rows([table_key(name, bucket) for bucket in self.buckets], columns)

    def catalog_ids(self) -> set[str]:
        return {row["manga_id"] for row in self.rows("catalog")}

    def outcomes(self, name: str) -> dict[str, tuple[str, str | None]]:
        """manga_id -> (outcome, error class); fails on a title with two."""
        keys = [outcomes_key(name, bucket) for bucket in self.buckets]
        rows = self._rows(keys, ["manga_id", "outcome", "error_class"])
        by_id = {row["manga_id"]: (row["outcome"], row["error_class"]) for row in rows}
        assert len(by_id) == len(rows)
        return by_id

    def attempts(self) -> list[dict[str, Any]]:
        """Rows of the requests log about requests that were sent, each once, though two objects may have it."""
        columns = ["manga_id", "analysis", "fingerprint", "attempt", "status", "error_class", "maybe_billed"]
        columns += ["input_tokens", "cache_write_tokens", "cost_micro_usd", "started_at", "dagster_run_id", "why"]
        parts = [part for day in sorted(self.run_dates()) for part in read_log(self.tables, day, columns)]
        return [row for part in parts for row in part.to_pylist() if row["attempt"] > 0]

    def run_dates(self) -> set[str]:
        """UTC days under which the log has runs."""
        keys = self.tables.list_keys("enrichment/requests/")
        return {key.split("run_date=")[1].split("/")[0] for key in keys}

    def spent_micro_usd(self) -> int:
        """What the day's budget counters say."""
        return sum(self.budget.spent(f"day:{run_date}")[1] for run_date in self.run_dates())

    def assert_bill_is_logged(self, bill: Mapping[str, int]) -> None:
        """log - maybe billed <= bill <= log; what was paid twice is among the maybe billed; counters and log agree."""
        attempts = self.attempts()
        logged = sum(row["cost_micro_usd"] for row in attempts)
        maybe_billed = [row["cost_micro_usd"] for row in attempts if row["maybe_billed"]]
        assert 0 < logged - sum(maybe_billed) <= bill["cost_micro_usd"] <= logged
        assert bill["duplicates"] <= len(maybe_billed)
        for run_date in self.run_dates():  # a killed run's lease may not have run out yet
            self.budget.close_abandoned([f"day:{run_date}"], datetime.now(UTC) + timedelta(hours=1))
        assert self.spent_micro_usd() == logged

    def assert_every_title_is_accounted_for(self) -> None:
        """No title lost, none twice, none without a reason."""
        ids = self.catalog_ids()
        for name in SINGLES:
            answered = [row["manga_id"] for row in self.rows(name)]
            assert max(Counter(answered).values(), default=1) == 1
            outcomes = self.outcomes(name)
            assert set(outcomes) == ids
            assert set(answered) == {each for each, (outcome, _) in outcomes.items() if outcome == "succeeded"}
            assert all(why for outcome, why in outcomes.values() if outcome in {"failed", "deferred"})
        wide = [row["manga_id"] for row in self.rows("enriched_catalog")]
        assert (len(wide), set(wide)) == (len(ids), ids)

    def _rows(self, keys: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        stored = (self.tables.read(key, columns) for key in keys)
        return [row for found in stored if found is not None for row in found.table.to_pylist()]
