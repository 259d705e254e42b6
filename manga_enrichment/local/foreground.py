"""One program in the foreground of a terminal, with all that it starts: stopped whole, within seconds.

Belongs here: how Ctrl-C, SIGTERM and a terminal that is closed end such a program. Stays out: servers in the background
(`manga_enrichment/local/stack/processes.py`), which program it is.

The program has a process group of its own. So a signal of the terminal reaches this process alone, which says a
sentence and ends the group; of a program that a shell put in the background not all would hear. After a kill -9 of
this process the program ends itself (`manga_enrichment/local/stack/guarded.py`).
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from manga_enrichment.local.stack.guarded import guarded_command

GRACE_SECONDS = 3.0
"""For the program to end in its own way; everything here is made to be killed, so more would be politeness alone."""
STOPPED = 130
"""What shells say of a program that Ctrl-C ended."""
_POLL_SECONDS = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_in_foreground(module: str, arguments: Sequence[str], environment: Mapping[str, str], cwd: Path) -> int | None:
    """Run `python -m module` until it ends or a signal asks to stop. Its exit code; None when it was stopped.

    environment: the program's whole one.
    """
    with (
        _signals_kept() as seen,
        subprocess.Popen(  # noqa: S603 (our own interpreter and modules)
            guarded_command(module, *arguments), cwd=cwd, env=dict(environment), start_new_session=True
        ) as program,
    ):
        while program.poll() is None and not seen:
            time.sleep(_POLL_SECONDS)
        if not seen:
            return program.returncode
        with suppress(OSError):  # a terminal that was closed hears nothing any more
            click.echo("\nStopping everything that was started here.", err=True)
        _end_group(program)
        return None


@contextmanager
def _signals_kept() -> Iterator[list[int]]:
    """Signals that ask to stop are noted instead of ending this process half-way."""
    seen: list[int] = []
    before = {number: signal.signal(number, lambda n, _frame: seen.append(n)) for number in _SIGNALS}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_group(program: "subprocess.Popen[bytes]") -> None:
    """Ask, wait, kill; the last also what the program left behind in its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(program.pid, number)
        with suppress(subprocess.TimeoutExpired):
            program.wait(GRACE_SECONDS)
