"""What partners used, by month, as items of the status table that the request front reads.

Belongs here: the item, adding to it. Stays out: the figures (`domain/requests/usage.py`).

Best effort: a process that is killed between statuses and their count, which requests that are acked together share,
leaves them uncounted. Money is counted elsewhere, exactly.
"""

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from manga_enrichment.aws.dynamodb.transactions import errors_explained
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.retention import USAGE_DAYS
from manga_enrichment.domain.requests.usage import Usage, usage_counter
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError

_log = logging.getLogger(__name__)


class DynamoDBUsage:
    def __init__(self, client: Any, clock: Clock, *, table: str) -> None:
        self._client = client
        self._clock = clock
        self._table = table

    def note(self, partner_id: str, month: str, usage: Usage) -> None:
        """Never raises what says that the store is away or refuses."""
        used = {name: {"N": str(value)} for name, value in asdict(usage).items()}
        expiry = int((self._clock.now() + timedelta(days=USAGE_DAYS)).timestamp())
        try:
            with errors_explained():
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(partner_id, month),
                    UpdateExpression=f"SET expires_at = :expiry ADD {', '.join(f'#{name} :{name}' for name in used)}",
                    ExpressionAttributeNames={f"#{name}": name for name in used},
                    ExpressionAttributeValues={
                        ":expiry": {"N": str(expiry)},
                        **{f":{name}": value for name, value in used.items()},
                    },
                )
        except (StoreUnavailableError, ConfigurationError) as error:
            _log.info("%d requests of %s are not noted in %s: %s", usage.requests, partner_id, month, error)

    def read(self, partner_id: str, month: str) -> Usage:
        with errors_explained():
            item = self._client.get_item(TableName=self._table, Key=_key(partner_id, month)).get("Item", {})
        return Usage(**{name: int(item[name]["N"]) for name in asdict(Usage()) if name in item})


def _key(partner_id: str, month: str) -> dict[str, Any]:
    return {"request_id": {"S": usage_counter(partner_id, month)}}
