"""Runs of the nightly job in a process of their own that ends by kill -9 at a chosen step.

The steps are calls of gateways, so nothing in the product knows about it: the real gateway is wrapped, and at the n-th
call of one method the process kills itself, before the call or after it. Children come from a fork server that has
imported the project once.
"""

import inspect
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from manga_enrichment.assembly import build_definitions
from manga_enrichment.aws.bedrock.calls import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.settings import Settings, load_settings

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])
_SECONDS = 120


@dataclass(frozen=True)
class Doom:
    """Kill the process at the n-th call (from 1) of `method` on a gateway, before or after it takes place.

    where: only calls whose first argument contains it count, for example a part of an object key.
    by: SIGKILL, or SIGSTOP to freeze the process there, or SIGTERM to ask it to end.
    """

    gateway: str
    method: str
    call: int = 1
    after: bool = False
    where: str = ""
    by: signal.Signals = signal.SIGKILL

    def __str__(self) -> str:
        moment = "after" if self.after else "before"
        return f"{moment} call {self.call} of {self.gateway}.{self.method} {self.where}".rstrip()


def run_nightly(environment: Mapping[str, str], doom: Doom | None = None) -> int:
    """Run the nightly job over all buckets in a new process; its exit code, -9 when it killed itself."""
    child = CONTEXT.Process(target=_nightly, args=(dict(environment), doom))
    child.start()
    child.join(_SECONDS)
    if child.is_alive():
        child.kill()
        child.join()
        raise TimeoutError(f"the run did not end within {_SECONDS} s")
    code = child.exitcode
    assert code is not None
    return code


def _nightly(environment: dict[str, str], doom: Doom | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    logging.getLogger("dagster").setLevel(logging.ERROR)
    settings = load_settings()
    definitions = build_definitions(settings, resources=doomed_resources(settings, doom) if doom else None)
    keys = bucket_keys(settings.catalog_buckets)
    job = definitions.resolve_job_def(NIGHTLY_JOB)
    result = job.execute_in_process(tags=range_tags(keys[0], keys[-1]), raise_on_error=False)
    os._exit(0 if result.success else 1)


def doomed_resources(settings: Settings, doom: Doom) -> dict[str, object]:
    """The doomed gateway, by resource key."""
    if doom.gateway == "model":

        def open_model() -> Any:
            timeout = settings.call_timeout_seconds
            model = BedrockModel(AwsClients(), concurrency=settings.concurrency, call_timeout_seconds=timeout)
            return _Doomed(model, doom)

        return {"open_model": open_model}
    return {doom.gateway: _Doomed(getattr(open_gateways(settings), doom.gateway), doom)}


class _Doomed:
    """Passes every call on, except that one of them is the last thing this process does."""

    def __init__(self, gateway: Any, doom: Doom) -> None:
        self._gateway = gateway
        self._doom = doom
        self._calls = 0
        self._counting = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._gateway, name)
        if name != self._doom.method:
            return found
        return self._async_method(found) if inspect.iscoroutinefunction(found) else self._method(found)

    def _method(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            is_last = self._is_last(args)
            self._end_if(is_last and not self._doom.after)
            try:
                return method(*args, **kwargs)
            finally:  # a call that was refused has taken place, too
                self._end_if(is_last and self._doom.after)

        return called

    def _async_method(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def called(*args: Any, **kwargs: Any) -> Any:
            is_last = self._is_last(args)
            self._end_if(is_last and not self._doom.after)
            try:
                return await method(*args, **kwargs)
            finally:
                self._end_if(is_last and self._doom.after)

        return called

    def _is_last(self, args: tuple[Any, ...]) -> bool:
        if self._doom.where and self._doom.where not in str(args[0]):
            return False
        with self._counting:
            self._calls += 1
            return self._calls == self._doom.call

    def _end_if(self, doomed: bool) -> None:
        if doomed:
            signal.pthread_kill(threading.get_ident(), self._doom.by)
