"""The roster: how many residents a lane is to have, and which slot needs a run now.

Belongs here: deciding, from rows, backlog and what was decided before. Stays out: reading and launching
(`defs/partner/resident_sensor.py`), heartbeats (`slot.py`).

A slot needs a run when nobody has it, when its run has left, shows no life, or ends within a minute. A run's epoch is
larger than all before it, so whatever comes late takes nothing from its successor. A row's life is told by the reader's
own clock (its beat stands still), and sooner where both clocks agree that it is old. No more are on their way than are
there: where Dagster has no place for a run, others would only wait behind it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from manga_enrichment.gateways.residents import Resident

HANDOVER = timedelta(seconds=60)
STALE = timedelta(seconds=6)
STILL = timedelta(seconds=10)
"""By the reader's clock alone."""
OUT_AFTER = timedelta(seconds=60)
IN_AFTER = timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class Seen:
    """One slot as of the last look. since: when its beat was first seen so. launched: the last epoch asked for."""

    epoch: int = 0
    beat: int = 0
    since: datetime | None = None
    launched: int = 0


@dataclass(frozen=True, slots=True)
class Roster:
    """What is known of a lane from look to look. more_since, fewer_since: since when another number was right."""

    wanted: int = 1
    more_since: datetime | None = None
    fewer_since: datetime | None = None
    seen: Mapping[int, Seen] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        return {
            "wanted": self.wanted,
            "more_since": _text(self.more_since),
            "fewer_since": _text(self.fewer_since),
            "seen": {
                str(slot): [each.epoch, each.beat, _text(each.since), each.launched] for slot, each in self.seen.items()
            },
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Roster":
        return cls(
            document["wanted"],
            _moment(document["more_since"]),
            _moment(document["fewer_since"]),
            {
                int(slot): Seen(epoch, beat, _moment(since), launched)
                for slot, (epoch, beat, since, launched) in document["seen"].items()
            },
        )

    def scaled(self, right: int, now: datetime) -> "Roster":
        """With the right number of residents for the backlog, once it has been right for long enough."""
        more_since = (self.more_since or now) if right > self.wanted else None
        fewer_since = (self.fewer_since or now) if right < self.wanted else None
        is_due = (more_since is not None and now - more_since >= OUT_AFTER) or (
            fewer_since is not None and now - fewer_since >= IN_AFTER
        )
        return replace(self, wanted=right) if is_due else replace(self, more_since=more_since, fewer_since=fewer_since)

    def looked(
        self, rows: Sequence[Resident], now: datetime, is_coming: Callable[[int, int], bool]
    ) -> tuple["Roster", list[tuple[int, int]]]:
        """The roster after a look, and (slot, epoch) of the runs to launch.

        is_coming: whether the run of a slot and epoch, which was launched and has not taken its slot, still may.
        """
        by_slot = {row.slot: row for row in rows}
        seen = {slot: _noted(self.seen.get(slot, Seen()), by_slot.get(slot), now) for slot in range(self.wanted)}
        lives = {slot for slot, each in seen.items() if self._lives(slot, each, by_slot.get(slot), now)}
        needy = [slot for slot in seen if slot not in lives or by_slot[slot].ends_at - now <= HANDOVER]
        coming = [
            slot for slot in needy if seen[slot].launched > seen[slot].epoch and is_coming(slot, seen[slot].launched)
        ]
        free = max(1, len(lives)) - len(coming)
        launches: list[tuple[int, int]] = []
        for slot in [slot for slot in needy if slot not in coming][: max(0, free)]:
            epoch = max(seen[slot].epoch + 1, seen[slot].launched + 1, int(now.timestamp()))
            seen[slot] = replace(seen[slot], launched=epoch)
            launches.append((slot, epoch))
        return replace(self, seen=seen), launches

    def _lives(self, slot: int, seen: Seen, row: Resident | None, now: datetime) -> bool:
        if row is None or row.has_left:
            return False
        before = self.seen.get(slot, Seen())
        stands_still = (row.epoch, row.beat) == (before.epoch, before.beat)
        is_old = now - row.beat_at >= STALE or (seen.since is not None and now - seen.since >= STILL)
        return not (stands_still and is_old)


def surplus(roster: Roster, rows: Sequence[Resident]) -> list[Resident]:
    """Residents that are wanted no more, and still receive."""
    return [row for row in rows if row.slot >= roster.wanted and not row.has_left]


def _noted(before: Seen, row: Resident | None, now: datetime) -> Seen:
    if row is None:
        return replace(before, epoch=0, beat=0, since=before.since or now)
    is_same = (row.epoch, row.beat) == (before.epoch, before.beat)
    return replace(before, epoch=row.epoch, beat=row.beat, since=before.since if is_same else now)


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
