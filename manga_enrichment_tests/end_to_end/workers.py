"""Workers that answer what comes in over HTTP: the runs that stay, each in a process of its own.

Belongs here: a stage for tests that see nothing but the API. Stays out: tests of such runs (`test_resident_runs.py`),
partners and their keys (`front.py`).
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from manga_enrichment.defs.partner.resident_job import PostConfig
from manga_enrichment.domain.requests.queues import QUEUES, RESIDENT_LANES
from manga_enrichment.local.stack.cleaning import empty_bucket, empty_queues, empty_tables
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.doomed_partner import import_catalog
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.end_to_end.partner_books import SAMPLE
from manga_enrichment_tests.end_to_end.resident_process import resident_run

T = TypeVar("T")
_SECONDS = 120


@contextmanager
def workers(stack: LocalStack, folder: Path, **settings: str) -> Iterator[None]:
    """Urgent batches, quotes, questions and chats are answered, about the sample's titles, while the block runs.

    They start with an empty stack and a model server at rest; after the block their books are closed. Tests of a module
    may share them: starting takes many seconds.

    settings: MANGA_ variables, in lower case and without their prefix.
    """
    environment = stack.child_environment(os.environ) | {
        "MANGA_CATALOG_URI": str(SAMPLE),
        "MANGA_CATALOG_BUCKETS": "1",
        "MANGA_CONCURRENCY": "4",
        "MANGA_GRACE_SECONDS": "5",
        **{f"MANGA_{name.upper()}": value for name, value in settings.items()},
    }
    model_server = ModelServerControl(stack.endpoints.model_url)
    empty_tables(stack.client("dynamodb"), stack.table_names)
    empty_bucket(stack.client("s3"), stack.endpoints.bucket)
    empty_queues(stack.client("sqs"), QUEUES)
    model_server.reset()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        import_catalog(environment)
    with ExitStack() as running:
        runs = []
        for lane in RESIDENT_LANES:
            post = PostConfig(lane=lane, slot=0, epoch=1)
            runs.append(
                running.enter_context(resident_run(environment, FileClock(folder / "clock"), folder / lane, post))
            )
        yield
        model_server.faults()
        for run in runs:
            run.end()
    empty_queues(stack.client("sqs"), QUEUES)


def until(asked: Callable[[], T], is_so: Callable[[T], bool]) -> T:
    """What is answered, once it is so."""
    deadline = time.monotonic() + _SECONDS
    while not is_so(answer := asked()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)
    return answer
