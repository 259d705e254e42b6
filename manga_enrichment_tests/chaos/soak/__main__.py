"""A soak: `python -m manga_enrichment_tests.chaos.soak --minutes 60`; prints a markdown table, then what was broken.

Belongs here: the command line, putting it together, the table. Stays out: what happens (`day.py`), what must hold
(`verdict.py`). Exit status 1 when a rule was broken. Everything that was started is ended, after Ctrl-C, too.
"""

import argparse
import json
import os
import random
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from manga_enrichment.domain.callbacks.signatures import SigningKey
from manga_enrichment.local.stack.callback_receiver import CallbackReceiver
from manga_enrichment.local.stack.endpoints import CALLBACK_KEY_ID, CALLBACK_SECRET
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.chaos.judge import Auditor, Facts, Rule
from manga_enrichment_tests.chaos.proxies import FaultProxies
from manga_enrichment_tests.chaos.soak.catalog import ChangingCatalog
from manga_enrichment_tests.chaos.soak.console import Console
from manga_enrichment_tests.chaos.soak.day import Day
from manga_enrichment_tests.chaos.soak.partners import Partners
from manga_enrichment_tests.chaos.soak.sampling import MemoryLog
from manga_enrichment_tests.chaos.soak.servers import Servers
from manga_enrichment_tests.chaos.soak.stepped_clock import CLOCK_FILE, SteppedClock
from manga_enrichment_tests.chaos.soak.verdict import read_facts, verdict
from manga_enrichment_tests.chaos.stage import environment_of, titles_with_text
from manga_enrichment_tests.end_to_end.partner_books import PartnerBooks

BUCKETS = 2
ANSWER_MS = 400
SETTINGS = {
    "MANGA_CATALOG_BUCKETS": str(BUCKETS),
    "MANGA_CONCURRENCY": "6",
    "MANGA_CLAIM_SECONDS": "15",
    "MANGA_CALL_TIMEOUT_SECONDS": "10",
    "MANGA_DEADLINE_SECONDS": "120",
    "MANGA_DEFERRAL_SECONDS": "30",
}
REST_SECONDS, NIGHT_SECONDS = 900.0, 300.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m manga_enrichment_tests.chaos.soak", description="A soak.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--folder", type=Path, default=Path(".local/soak"), help="for logs, samples and books")
    options = parser.parse_args(arguments)
    if options.minutes <= 0:
        parser.error("--minutes must be above 0")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = (options.folder / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")).resolve()
    folder.mkdir(parents=True)
    _say(f"Soaking for {options.minutes:g} minutes, logs, samples and books in {folder}")
    seconds = options.minutes * 60
    with _day(folder) as (day, auditor):
        day.pass_by(seconds)
        _say("Faults are over; waiting until all is done.")
        rest = day.come_to_rest(REST_SECONDS)
        facts = read_facts(day, auditor, rest, NIGHT_SECONDS, seconds)
        (folder / "books.json").write_text(json.dumps(auditor.evidence(), default=str), "utf-8")
        return show(day, facts, verdict(day, facts, seconds))


@contextmanager
def _day(folder: Path) -> Iterator[tuple[Day, Auditor]]:
    """Stack, proxies, servers and partners, all running."""
    with ExitStack() as opened:
        stack = opened.enter_context(LocalStack(LocalStackConfig(folder / "stack", persist=False)))
        proxies = opened.enter_context(FaultProxies(stack.endpoints, shorten_delays=False))
        ModelServerControl(stack.endpoints.model_url).faults(latency={"fixed_ms": ANSWER_MS})
        catalog, clock = ChangingCatalog(folder / "catalog.jsonl"), SteppedClock(folder / "clock")
        settings = {**SETTINGS, "MANGA_CATALOG_URI": str(catalog.file), CLOCK_FILE: str(folder / "clock")}
        direct = {**stack.child_environment(os.environ), **settings}
        opened.enter_context(environment_of(direct))
        servers = opened.enter_context(Servers({**direct, **proxies.environment()}, folder))
        receiver = opened.enter_context(CallbackReceiver(SigningKey(CALLBACK_KEY_ID, CALLBACK_SECRET)))
        books = PartnerBooks(load_settings(), clock, receiver, stack.client("sqs"))
        instance = opened.enter_context(dg.DagsterInstance.from_config(str(servers.home)))
        dice = random.Random(1)
        partners = Partners(books, receiver, clock, titles_with_text(catalog.file, 60), dice)
        memory = MemoryLog(folder / "memory.jsonl")
        console = Console(servers.url)
        yield (
            Day(servers, console, proxies, partners, catalog, clock, instance, memory, dice, BUCKETS),
            Auditor(stack),
        )


def show(day: Day, facts: Facts, rules: Sequence[Rule]) -> int:
    """Print what happened, a line per rule, and a sentence per rule that was broken."""
    books = facts.account
    happened = {**day.done, **{f"struck by {fault}": hit for fault, hit in sorted(day.proxies.struck().items())}}
    _say("\n".join(f"- {what}: {count}" for what, count in (*happened.items(), *sorted(day.runs_ended().items()))))
    _say(f"- meter {books.meter}; log {books.log}; maybe billed {books.maybe}; {books.paid_twice} paid twice")
    _say("\n| rule | holds | figures |\n| --- | --- | --- |")
    for rule in rules:
        _say(f"| {rule.name} | {'yes' if rule.holds else '**no**'} | {rule.said} |")
    broken = [f"Broken: {rule.name}: {rule.said}" for rule in rules if not rule.holds]
    _say("\n" + ("\n".join(broken) or "Every rule held."))
    return 1 if broken else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
