"""What a partner run has beside its ops: the leases it holds from its first op to its last ack, and a good end.

Belongs here: the resource `partner_run` and what SIGTERM does to a run. Stays out: the ops (`ops.py`),
leases themselves (`pipeline/partner/holding/leases.py`).

The resource lives as long as the run: between ops a run waits for pools and retries, and its leases must not. That
holds in the in-process executor, which the project uses; steps in processes of their own would each hold nothing.

SIGTERM makes a run finish early, not break off: calls in flight may end, nothing new is asked, what is complete is
settled and the rest is given back. Dagster's own way would be to raise in the middle of an op, where answers that are
on their way are paid for and lost; and to try the op again when it has a retry policy.

What still is held when the run ends is given back: sent again, so that a deploy costs no receives. After an error that
nobody foresaw it is not: should the request be the reason, its third receive must be its last. A store or a model that
is away for longer than the op is tried is no such error, however long it stays away.
"""

import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import dagster as dg

from manga_enrichment.domain.requests.policies import NO_POLICIES, PartnerPolicies
from manga_enrichment.pipeline.partner.ask import Stopping
from manga_enrichment.pipeline.partner.holding.leases import Heartbeat, Leases
from manga_enrichment.pipeline.partner.holding.requeue import INTERRUPTED_DELAY_SECONDS, Requeue, release_all
from manga_enrichment.pipeline.partner.live_policies import LivePolicies
from manga_enrichment.pipeline.partner.step_ends import StepEnd, end_of
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests


@dataclass
class PartnerRun:
    """stored: the requests as this run has read them. stop: set when this process is to end.

    policies: what partners may. keep_back: what is held at the end is not sent again. away: the sentence of the last
    op, if something is away.
    """

    leases: Leases
    releasing: Requeue
    stored: StoredRequests
    deferral_seconds: int
    policies: PartnerPolicies = NO_POLICIES
    stop: threading.Event = field(default_factory=threading.Event)
    keep_back: bool = False
    away: str = ""

    def stopping(self, grace_seconds: float) -> Stopping:
        return Stopping(self.leases.wants, self.stop, grace_seconds, self.leases.look_for_cancelled)

    @property
    def is_stopping(self) -> bool:
        return self.stop.is_set()

    def release(self, delay_seconds: int, reason: str, log: Any) -> None:
        count = release_all(self.leases, self.releasing, delay_seconds=delay_seconds, reason=reason, say=log.warning)
        if count:
            log.info(f"{count} requests are given back and come again in {delay_seconds} s: {reason}")

    @contextmanager
    def step(self, context: dg.OpExecutionContext) -> Iterator[None]:
        """Around an op's body: what its end means for the requests that are held."""
        try:
            with signals_only_set(self.stop):
                yield
        except Exception as error:
            end = end_of(error)
            self.keep_back, self.away = not end.gives_back, str(error) if end is StepEnd.AWAY else ""
            if end is StepEnd.UNFORESEEN:
                raise
            if end is StepEnd.WRONG:
                self.release(self.deferral_seconds, str(error), context.log)
            said = f"{type(error).__name__}: {error}" if end is StepEnd.LOST else str(error)
            raise dg.Failure(said, allow_retries=end.may_pass) from error
        else:
            self.keep_back, self.away = False, ""  # of an op that was tried again with success

    def release_at_the_end(self, log: Any) -> None:
        """Give back what is held when the run ends, however it does."""
        if self.keep_back:
            return
        delay_seconds = self.deferral_seconds if self.away else INTERRUPTED_DELAY_SECONDS
        self.release(delay_seconds, self.away or "the run was ended", log)


def build_partner_run(
    deferral_seconds: int, clock_skew: timedelta, policies: PartnerPolicies = NO_POLICIES
) -> dg.ResourceDefinition:
    @dg.resource(
        required_resource_keys={"queues", "requests", "tables", "clock"},
        description="Leases of the requests that a run works at.",
    )
    def partner_run(context: dg.InitResourceContext) -> Iterator[PartnerRun]:
        given: Any = context.resources
        leases = Leases(given.queues, given.requests, given.clock, random.Random(), clock_skew)  # noqa: S311
        stored = StoredRequests(given.tables)
        releasing = Requeue(given.queues, given.requests, given.tables, given.clock, stored)
        live = LivePolicies(policies, given.requests, given.clock)
        run = PartnerRun(leases, releasing, stored, deferral_seconds, live)
        heartbeat = Heartbeat(leases)
        heartbeat.start()
        try:
            with signals_only_set(run.stop):
                yield run
        finally:
            heartbeat.stop()
            run.release_at_the_end(dg.get_dagster_logger())

    return partner_run


@contextmanager
def signals_only_set(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop` and do nothing else, where this thread can decide about that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}
    for number in signals:
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
