"""Runs a module as a program that ends when the process that started it ends, even by kill -9.

Belongs here: what runs inside the child before the real program. Stays out: starting and stopping children
(`processes.py`).

A watching thread compares the parent's pid, which works on every POSIX system. The kernel's own answer,
PR_SET_PDEATHSIG, exists on Linux alone and fires when the *thread* that started the child ends: wrong for
a stack started from a thread pool; a pipe held by the parent stays open in whatever the parent forks.

    python -m manga_enrichment.local.stack.guarded PARENT_PID MODULE [ARGUMENT ...]
"""

import os
import runpy
import signal
import sys
import threading
import time

POLL_SECONDS = 0.3
GRACE_SECONDS = 10.0


def guarded_command(module: str, *arguments: str, in_empty_folder: bool = False) -> list[str]:
    """What to start so that the module runs guarded by this process.

    -P: the current folder may hold modules of the same names. Dagster's `api` takes the path's first entry for that
    folder and removes it, so where the folder is empty it stays.
    """
    path = [] if in_empty_folder else ["-P"]
    guard = "manga_enrichment.local.stack.guarded"
    return [sys.executable, *path, "-m", guard, str(os.getpid()), module, *arguments]


def end_with_parent(parent_pid: int) -> None:
    """Block until the parent is gone, then end this process: politely first, so that it can save its state.

    What it started in its process group ends with it. parent_pid may be gone already: a child that starts late ends at
    once.
    """
    while os.getppid() == parent_pid:
        time.sleep(POLL_SECONDS)
    end = os.killpg if os.getpgrp() == os.getpid() else os.kill
    end(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    end(os.getpid(), signal.SIGKILL)


def main() -> None:
    parent_pid, module = int(sys.argv[1]), sys.argv[2]
    threading.Thread(target=end_with_parent, args=(parent_pid,), name="parent-watch", daemon=True).start()
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
