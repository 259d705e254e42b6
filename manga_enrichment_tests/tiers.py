"""The tiers of tests: which tests are fast, and what a fast one may not do.

A test that uses the local stack has the marker `stack`, by its fixtures. One that starts processes, waits for real time
or computes for seconds has the marker `slow`, by hand. All others are fast: `make test-fast` runs them alone, and
wherever they run, starting a process or sleeping in one is an error, so that a missing marker is noticed.

Belongs here: the markers and that guard. Stays out: fixtures (`conftest.py`).
"""

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

_STARTS_A_PROCESS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"})
_FONTS = "fc-list"  # matplotlib asks it where fonts are, once a machine
_running_fast: list[str] = []  # the node id of the fast test that runs now, if one does


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what asks for the local stack, however indirectly; set aside what is not asked for by its marker."""
    if "fleet" not in config.option.markexpr:
        outside = [item for item in items if item.get_closest_marker("fleet")]
        items[:] = [item for item in items if item not in outside]
        config.hook.pytest_deselected(items=outside)
    for item in items:
        if "local_stack" in getattr(item, "fixturenames", ()):
            item.add_marker("stack")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    is_fast = item.get_closest_marker("stack") is None and item.get_closest_marker("slow") is None
    if is_fast:
        _running_fast.append(item.nodeid)
    try:
        return (yield)
    finally:
        _running_fast.clear()


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: Python calls it before what the event names happens; `time.sleep` tells since Python 3.13."""
    if not _running_fast:
        return
    if event in _STARTS_A_PROCESS and arguments[0] != _FONTS:
        raise AssertionError(f"{_running_fast[0]} starts a process ({event} {arguments[0]}): mark it slow")
    if event == "time.sleep" and arguments[0] > 0 and threading.current_thread() is threading.main_thread():
        raise AssertionError(f"{_running_fast[0]} sleeps {arguments[0]} s: wait for an event, or mark it slow")


sys.addaudithook(_refuse)
