"""Whether a process is there. Used where runs and children of the local stack are watched by their ids."""

import math

import psutil


def process_exists(pid: int, *, since: float = math.inf) -> bool:
    """Whether a process with this id runs; one that ended and was not yet collected (a zombie) does not.

    since: epoch seconds; a process that began later does not count, for ids are used again.
    """
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's: it is there
        return True
