"""What needs a hand, the worst first: what is wrong, and the way to mend it.

Belongs here: which facts are problems, and their words. Stays out: reading them (`facts.py`), where they stand
(`page.py`).

What the next run does by itself is no problem; it stands among the failures.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from manga_enrichment.domain.durations import duration_text
from manga_enrichment.domain.operations.queue_observations import OLDEST_NORMAL_SECONDS
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.next_steps import NEXT_STEPS, next_step
from manga_enrichment.pipeline.health.table_quality import coverage
from manga_enrichment.pipeline.report.document import thousands, words
from manga_enrichment.pipeline.report.facts import ReportFacts
from manga_enrichment.pipeline.report.links import Links
from manga_enrichment.pipeline.report.sums import answered_of

MOST_THROTTLED = 0.05
"""Of today's calls. A pace that finds its quota by trying has about one in a hundred refused."""


@dataclass(frozen=True, slots=True)
class Problem:
    """is_bad: wrong now; else worth a look. href: where it is seen; "" where that is nowhere."""

    is_bad: bool
    what: str
    next_step: str
    href: str = ""


def problems_of(facts: ReportFacts, links: Links) -> list[Problem]:
    found = [*_of_asking(facts), *_of_answers(facts, links), *_of_queues(facts, links), *_of_money(facts, links)]
    return sorted(found, key=lambda problem: not problem.is_bad)


def _of_asking(facts: ReportFacts) -> Iterator[Problem]:
    if facts.brake:
        said = f"Nothing is asked of a model: {facts.brake.sentence()}"
        yield Problem(True, said, NEXT_STEPS[ErrorClass.BRAKE])
    if facts.forecast is None:
        yield Problem(False, "There is no catalog yet", "run the job nightly_enrichment, which imports it")


def _of_answers(facts: ReportFacts, links: Links) -> Iterator[Problem]:
    known = {name: counts for name, counts in facts.outcomes.items() if counts}
    low = {name: counts for name, counts in known.items() if coverage(counts) < facts.lowest_coverage}
    if low:
        answered = (f"{words(name)} {answered_of(counts)}" for name, counts in low.items())
        said = f"Under {facts.lowest_coverage:.0%} of what can be asked about is answered: {', '.join(answered)} titles"
        step = "see the failures below, by class; `manga-enrichment estimate` says what the next run asks"
        yield Problem(True, said, step, links.checks(min(low, key=lambda name: coverage(low[name]))))
    for failure in facts.failures:
        if not failure.transient:
            said = f"Answers that are missing for good: {thousands(failure.answers)} by {words(failure.error_class)}"
            yield Problem(False, said, next_step(failure.error_class, asked_again=False), "#failures")


def _of_queues(facts: ReportFacts, links: Links) -> Iterator[Problem]:
    checks = links.checks("dead_letter_queues")
    if dead := dead_letters(facts):
        step = "read why (`manga-enrichment dlq peek`), mend it, then send them back (`manga-enrichment dlq redrive`)"
        yield Problem(True, f"{thousands(dead)} dead letters", step, checks or "#queues")
    for row in facts.queues_now:
        age = row["oldest_age_seconds"]
        if row["kind"] == "requests" and age is not None and age > OLDEST_NORMAL_SECONDS:
            step = "see that resident runs and the daemon are up, and whether MANGA_QUEUE_MAX_RUNS is too low"
            yield Problem(False, f"{row['queue']}: the oldest request waits {duration_text(age)}", step, "#queues")


def _of_money(facts: ReportFacts, links: Links) -> Iterator[Problem]:
    today = [row for row in facts.costs if row["day"] == facts.made_at.date().isoformat()]
    calls, throttled = (sum(row[name] for row in today) for name in ("calls", "throttled"))
    if calls and throttled / calls > MOST_THROTTLED:
        said = f"{throttled / calls:.0%} of today's calls were refused by the quota"
        yield Problem(False, said, NEXT_STEPS[ErrorClass.THROTTLED], "#speed")
    unpriced = sorted({str(row["model_id"]) for row in facts.costs if row["unpriced_calls"]})
    if unpriced:
        step = "add its price (`manga-enrichment models add`, MANGA_MODELS_FILE)"
        yield Problem(
            True, f"{', '.join(unpriced)} cost nothing: it has no price", step, links.checks("enrichment_costs")
        )


def dead_letters(facts: ReportFacts) -> int:
    """Now, in all dead-letter queues."""
    rows = [row for row in facts.queues_now if row["kind"] == "dead_letters"]
    return sum(row["visible"] + row["in_flight"] for row in rows)
