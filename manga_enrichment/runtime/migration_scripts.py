"""Where alembic finds the migration scripts of Dagster's SQLite storage: looked up once per process.

Belongs here: that one repair of a library, until it is repaired there. Stays out: all else about storage: Dagster's.
"""

from functools import cache

from alembic import util

_LOOK_UP = "coerce_resource_to_filename"


def look_up_once() -> None:
    """For a process that stays. Each look-up notes something to be done when the process ends, 1.6 KB for ever.

    An instance on SQLite does some when it is opened and one per log of a run that it reads, and a sensor opens one at
    each tick: 6 MB an hour (findings/dagster-sqlite-migrations.sh). With PostgreSQL there are none.
    """
    look_up = getattr(util, _LOOK_UP, None)
    if look_up is not None and not hasattr(look_up, "cache_info"):
        setattr(util, _LOOK_UP, cache(look_up))
