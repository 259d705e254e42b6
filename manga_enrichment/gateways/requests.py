"""The status rows of partners' requests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from manga_enrichment.domain.requests.claims import AlreadyFinal, AlreadyLive, Claimed, RequestRow
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.usage import Usage


class RequestStore(Protocol):
    """Status rows in DynamoDB; every write is conditional. Raises StoreUnavailableError when it does not answer."""

    def check_ready(self) -> None:
        """Whether claims would work now. Raises ConfigurationError as well: this machine's clock may be too far off."""
        ...

    def claim(
        self, wanted: RequestRow, now: datetime, *, likely_new: bool = False
    ) -> Claimed | AlreadyLive | AlreadyFinal:
        """Take the next generation of a request, unless it is final or its owner's lease still runs at `now`.

        wanted.generation is ignored: 1 for a new request, else one more than before. wanted.state: received, or
        rejected or failed to close a request at once, which refreshes no receipt handle. What earlier generations cost
        stays in the row. likely_new: probably there is no row yet, so none is read before one is written.
        """
        ...

    def update(
        self, request_id: str, owner: str, generation: int, state: RequestState | None = None, **fields: Any
    ) -> RequestRow:
        """Move to `state` if the transitions allow it, set other fields. Raises FencedError, TransitionError.

        fields are those of RequestRow, and `new_owner` to hand over. updated_at is now, unless given.
        """
        ...

    def reopen(self, request_id: str) -> bool:
        """Let the next claim have a rejected or failed request; False when there is nothing to open. Idempotent."""
        ...

    def cancel(self, request_id: str) -> RequestRow | None:
        """Mark an open request: whoever works at it asks nothing more for it. The row after that; None without one.

        One that has ended stays as it is. Idempotent.
        """
        ...

    def cancelled(self, request_ids: Sequence[str]) -> set[str]:
        """Those of them that are marked; at most a few hundred."""
        ...

    def set_callback_state(self, request_id: str, told: RequestState, callback_state: str) -> None:
        """Note what became of telling the partner that the request ended as `told`; sets nothing else.

        Needs no owner: days may have passed. Does nothing when the request is no longer in that state.
        """
        ...

    def note_pace(self, queue: str, seconds: float) -> None:
        """A request of this queue took so long from accepted to completed. Best effort: never raises."""
        ...

    def policy_changes(self, partner_id: str) -> Mapping[str, Any]:
        """What a row changes of this partner's policy; nothing where there is no row."""
        ...

    def change_policy(self, partner_id: str, changes: Mapping[str, Any]) -> None:
        """In place of what was changed before; with no changes the document alone counts again."""
        ...

    def note_usage(self, rows: Sequence[RequestRow]) -> None:
        """Requests have ended as these rows say: a write per partner and month. Best effort: never raises."""
        ...

    def usage(self, partner_id: str, month: str) -> Usage:
        """month: YYYY-MM in UTC."""
        ...

    def get(self, request_id: str) -> RequestRow | None: ...

    def unclaimed(self, queue: str, *, before: datetime, most: int) -> list[RequestRow]:
        """What the front accepted for this queue before then and nobody has claimed, oldest first; eventually
        consistent."""
        ...

    def by_partner(self, partner_id: str, *, newest: int) -> list[RequestRow]:
        """Newest submission first; eventually consistent."""
        ...
