"""A resident run that stays, in a process of its own.

Belongs here: starting it, killing it, asking it to end. Stays out: one that is killed at a step (`doomed_partner.py`),
what must hold afterwards (`partner_books.py`).
"""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.partner.resident_job import RESIDENT_JOB, PostConfig
from manga_enrichment.local.demo.lane import QUIET
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.doomed import CONTEXT
from manga_enrichment_tests.end_to_end.file_clock import FileClock

_SECONDS = 60
FIRST = PostConfig(lane="urgent", slot=0, epoch=1)


class ResidentProcess:
    def __init__(self, environment: Mapping[str, str], clock: FileClock, home: Path, post: PostConfig) -> None:
        home.mkdir()
        arguments = (dict(environment), clock, str(home), post.model_dump())
        self._child = CONTEXT.Process(target=_stay, args=arguments, daemon=True)
        self._child.start()

    def kill(self) -> None:
        """As a machine that is gone: nothing it would have done next happens."""
        self._child.kill()
        self._child.join()

    def end(self) -> None:
        """It finishes what is open, gives back the rest and ends well."""
        assert self._child.is_alive(), "it ended by itself"
        assert self._child.pid is not None
        os.kill(self._child.pid, signal.SIGTERM)
        self._child.join(_SECONDS)
        assert self._child.exitcode == 0


@contextmanager
def resident_run(
    environment: Mapping[str, str], clock: FileClock, home: Path, post: PostConfig = FIRST
) -> Iterator[ResidentProcess]:
    """Receives while the block is worked at; killed when it is left, unless it has ended."""
    process = ResidentProcess(environment, clock, home, post)
    try:
        yield process
    finally:
        process.kill()


def _stay(environment: dict[str, str], clock: FileClock, home: str, post: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    job = build_definitions(load_settings(), resources={"clock": clock}).resolve_job_def(RESIDENT_JOB)
    config = {"ops": {"answer_requests": {"config": post}}, **QUIET}
    with dg.DagsterInstance.ephemeral(tempdir=home) as instance:
        result = job.execute_in_process(run_config=config, instance=instance, raise_on_error=False)
    os._exit(0 if result.success else 1)
