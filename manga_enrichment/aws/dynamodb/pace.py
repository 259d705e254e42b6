"""The pace of each queue, as an item of the status table that the request front reads.

Belongs here: the item, writing it seldom. Stays out: the figure (`domain/requests/pace.py`).
"""

import logging
import threading
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from manga_enrichment.aws.dynamodb.transactions import errors_explained
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.retention import PACE_DAYS
from manga_enrichment.domain.requests.pace import NOTED_EVERY, Pace, moved
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError

_log = logging.getLogger(__name__)


class DynamoDBPace:
    def __init__(self, client: Any, clock: Clock, *, table: str) -> None:
        self._client = client
        self._clock = clock
        self._table = table
        self._lock = threading.Lock()
        self._noted: dict[str, list[float]] = defaultdict(list)
        self._written_at: dict[str, datetime] = {}

    def note(self, queue: str, seconds: float) -> None:
        """Never raises what says that the store is away or refuses: nothing depends on an estimate."""
        now = self._clock.now()
        with self._lock:
            self._noted[queue].append(seconds)
            if queue in self._written_at and now - self._written_at[queue] < NOTED_EVERY:
                return
            noted, self._noted[queue] = self._noted[queue], []
            self._written_at[queue] = now
        try:
            self._write(queue, moved(self._read(queue), noted, now))
        except (StoreUnavailableError, ConfigurationError) as error:
            _log.info("the pace of %s is not noted: %s", queue, error)

    def _read(self, queue: str) -> Pace | None:
        with errors_explained():
            item = self._client.get_item(TableName=self._table, Key=_key(queue)).get("Item")
        return Pace(float(item["seconds"]["N"]), datetime.fromisoformat(item["measured_at"]["S"])) if item else None

    def _write(self, queue: str, pace: Pace) -> None:
        """Over whatever another process wrote meanwhile: either is an estimate."""
        expiry = int((pace.measured_at + timedelta(days=PACE_DAYS)).timestamp())
        item = {
            **_key(queue),
            "seconds": {"N": f"{pace.seconds:.3f}"},
            "measured_at": {"S": pace.measured_at.isoformat()},
            "expires_at": {"N": str(expiry)},
        }
        with errors_explained():
            self._client.put_item(TableName=self._table, Item=item)


def _key(queue: str) -> dict[str, Any]:
    return {"request_id": {"S": f"pace:{queue}"}}
