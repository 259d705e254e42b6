"""Our books against the service's own count: Bedrock's CloudWatch metrics by model and hour, and the requests log.

Belongs here: what each call lets one expect of the service, and comparing. Pure. Stays out: reading the log
(`pipeline/health/service_books.py`) and the metrics (`gateways/service_usage.py`), severities (`defs/costs/`).

What the service must have counted is a range, never one number. An answer counts exactly. A call whose answer was lost
counts for nothing, or for as many tokens as the money that is booked for it buys; one that was refused may or may not
count as an invocation (AWS has described it both ways), a throttled one does not. A call near the end of an hour may
count in either hour. What is below the range was booked and never made; what is above it was made, and not by us or
not booked.
Names: "Monitor bedrock-runtime inference using CloudWatch metrics" and "How tokens are counted", Bedrock user guide.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from manga_enrichment.domain.models.usage import TOKENS_PER_PRICE_UNIT, Price, Usage

HOUR = timedelta(hours=1)
LAG = timedelta(minutes=15)
"""How long after its end an hour is closed. AWS names no bound; a metric is usually there within a few minutes."""
EDGE = timedelta(minutes=2)
"""The service stamps whole minutes with its own clock, and says not whether at the begin of a call or at its end."""
_OUR_PROFILE = ":application-inference-profile/"


class ServiceMetric(StrEnum):
    """Metrics of AWS/Bedrock whose sums are compared; the four counts of tokens do not overlap."""

    INVOCATIONS = "Invocations"
    INPUT = "InputTokenCount"
    OUTPUT = "OutputTokenCount"
    CACHE_READ = "CacheReadInputTokenCount"
    CACHE_WRITE = "CacheWriteInputTokenCount"


Counts = Mapping[ServiceMetric, int]
ServiceCounts = Mapping[tuple[str, ServiceMetric], Mapping[datetime, int]]
"""(model id, metric) -> begin of an hour (UTC) -> sum; what is missing is 0."""


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One call of the log as the service may have counted it. first, last: when; None: some time before `last`."""

    model_id: str
    first: datetime | None
    last: datetime
    at_least: Counts
    at_most: Counts


@dataclass(frozen=True, slots=True)
class Difference:
    """A sum of the service outside of what the log lets expect, in the hours from `begin` to `end`."""

    model_id: str
    metric: ServiceMetric
    begin: datetime
    end: datetime
    service: int
    at_least: int
    at_most: int

    @property
    def missing(self) -> int:
        """How much less the service counts than it must; 0 when it counts too much."""
        return max(0, self.at_least - self.service)

    @property
    def is_error(self) -> bool:
        """Others may use a model, and then it counts more; nobody else uses an application inference profile of ours.

        Less than the log says can not be: we booked what never happened.
        """
        return self.missing > 0 or _OUR_PROFILE in self.model_id

    def sentence(self) -> str:
        hours = f"{self.begin:%Y-%m-%d %H:%M} to {self.end:%H:%M} UTC"
        if self.missing:
            how = f"{self.missing:,} less than the log"
        else:
            how = f"{self.service - self.at_most:,} more than the log"
        return f"{self.model_id}, {hours}: {self.metric} {self.service:,}, {how}"


def closed_hours(now: datetime, count: int) -> list[datetime]:
    """Begins of the last `count` hours that have closed by now, oldest first."""
    last = (now - LAG).replace(minute=0, second=0, microsecond=0) - HOUR
    return [last - back * HOUR for back in reversed(range(count))]


def expected_of_answer(usage: Usage) -> Counts:
    return _counts(1, usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)


def most_of_lost_call(usage: Usage, cost_micro_usd: int, prices: Iterable[Price]) -> Counts:
    """usage: what is booked for it, if anything. prices: at one of which it is; none for a model unknown by now."""
    bought = [
        _counts(
            1,
            _tokens_for(cost_micro_usd, price.input_micro_usd),
            _tokens_for(cost_micro_usd, price.output_micro_usd),
            _tokens_for(cost_micro_usd, price.cache_read_micro_usd),
            _tokens_for(cost_micro_usd, price.cache_write_micro_usd),
        )
        for price in prices
    ]
    return {metric: max(each[metric] for each in (expected_of_answer(usage), *bought)) for metric in ServiceMetric}


NOTHING: Counts = dict.fromkeys(ServiceMetric, 0)
REFUSED: Counts = {**NOTHING, ServiceMetric.INVOCATIONS: 1}


def compare(
    calls: Iterable[LoggedCall], service: ServiceCounts, hours: Sequence[datetime], model_ids: Iterable[str]
) -> list[Difference]:
    """Every model and metric, in each hour and, where the hours hide it, in all of them together.

    hours: consecutive, oldest first. model_ids: looked at even if the log has no call of them.
    """
    books = _Books(hours)
    models = set(model_ids)
    for call in calls:
        models.add(call.model_id)
        books.add(call)
    found = []
    for model_id in sorted(models):
        for metric in ServiceMetric:
            by_hour = service.get((model_id, metric), {})
            found += books.differences(model_id, metric, by_hour)
    return found


class _Books:
    """Least and most of each (model, metric, period); a period is one of the hours, or all of them."""

    def __init__(self, hours: Sequence[datetime]) -> None:
        self._hours = [(hour, hour + HOUR) for hour in hours]
        self._all = (hours[0], hours[-1] + HOUR)
        self._least: dict[tuple[str, ServiceMetric, datetime, datetime], int] = defaultdict(int)
        self._most: dict[tuple[str, ServiceMetric, datetime, datetime], int] = defaultdict(int)

    def add(self, call: LoggedCall) -> None:
        last = call.last + EDGE
        first = None if call.first is None else call.first - EDGE
        for begin, end in (*self._hours, self._all):
            if last < begin or (first is not None and first >= end):
                continue
            is_inside = first is not None and begin <= first and last < end
            for metric in ServiceMetric:
                key = (call.model_id, metric, begin, end)
                self._most[key] += call.at_most[metric]
                if is_inside:
                    self._least[key] += call.at_least[metric]

    def differences(self, model_id: str, metric: ServiceMetric, by_hour: Mapping[datetime, int]) -> list[Difference]:
        found = [self._difference(model_id, metric, period, by_hour.get(period[0], 0)) for period in self._hours]
        differing = [each for each in found if each is not None]
        whole = self._difference(model_id, metric, self._all, sum(by_hour.get(hour, 0) for hour, _ in self._hours))
        return differing or ([whole] if whole else [])

    def _difference(
        self, model_id: str, metric: ServiceMetric, period: tuple[datetime, datetime], counted: int
    ) -> Difference | None:
        key = (model_id, metric, *period)
        least, most = self._least[key], self._most[key]
        return None if least <= counted <= most else Difference(model_id, metric, *period, counted, least, most)


def _counts(invocations: int, read: int, written: int, cache_read: int, cache_write: int) -> Counts:
    return {
        ServiceMetric.INVOCATIONS: invocations,
        ServiceMetric.INPUT: read,
        ServiceMetric.OUTPUT: written,
        ServiceMetric.CACHE_READ: cache_read,
        ServiceMetric.CACHE_WRITE: cache_write,
    }


def _tokens_for(cost_micro_usd: int, price_micro_usd: int | None) -> int:
    return -(-cost_micro_usd * TOKENS_PER_PRICE_UNIT // price_micro_usd) if price_micro_usd else 0
