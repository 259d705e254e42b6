"""Keys of tables whose objects lie by hours.

Belongs here: how the objects of an hour are named and known. Stays out: the folders they lie in (`object_keys.py`).
"""

import re
from datetime import UTC, datetime

_HOUR_GROUP = re.compile(r"(.*/h\d{8}T\d{2})(?:-[^/]*)?\.parquet")


def hour_group(folder: str, moment: datetime) -> str:
    """What the keys of all objects with rows of one UTC hour begin with: those of one row are all in its group.

    `<group>.parquet` is what compaction merges the others into, `<group>-<name>.parquet` what a run has written.
    """
    return f"{folder}h{moment.astimezone(UTC):%Y%m%dT%H}"


def merged_key(group: str) -> str:
    return f"{group}.parquet"


def part_key(group: str, name: str) -> str:
    return f"{group}-{name}.parquet"


def group_of(key: str) -> str:
    """The hour group of an object; "" for one that is in none."""
    found = _HOUR_GROUP.fullmatch(key)
    return found[1] if found else ""
