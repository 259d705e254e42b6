"""What is to be told, kept until it was told.

Belongs here: storing deliveries. Stays out: sending them (`notify.py`), what may become of one
(`domain/callbacks/deliveries.py`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from manga_enrichment.domain.callbacks.deliveries import Delivery


class OutboxStore(Protocol):
    """Deliveries that are to be made, were made or failed. Raises StoreUnavailableError when it does not answer."""

    def add(self, delivery: Delivery) -> bool:
        """Put it unless it is there; one that failed for good starts anew. False when nothing was to do.

        False may also mean that a retry of the SDK met its own first try.
        """
        ...

    def add_all(self, deliveries: Sequence[Delivery]) -> set[str]:
        """Put each as `add` does; ids of those that were put. No two of one id."""
        ...

    def due(self, now: datetime, limit: int) -> list[Delivery]:
        """Those that are not told and whose time has come, the longest waiting first. Eventually consistent."""
        ...

    def replace(self, seen: Delivery, following: Delivery) -> bool:
        """Put `following` if `seen` is still what stands; False when another worker was faster."""
        ...

    def replace_all(self, changes: Sequence[tuple[Delivery, Delivery]]) -> set[str]:
        """`replace` for each pair; ids of those that were replaced. No two of one id."""
        ...

    def get(self, delivery_id: str) -> Delivery | None: ...

    def failed(self, *, newest: int) -> list[Delivery]:
        """Those that were given up and told, the latest first. Eventually consistent."""
        ...
