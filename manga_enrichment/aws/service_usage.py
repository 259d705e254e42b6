"""ServiceUsage on CloudWatch: the namespace AWS/Bedrock, dimension ModelId, one sum an hour.

Belongs here: how CloudWatch is asked. Stays out: what the sums are held against (`domain/operations/service_books.py`).
Bedrock counts calls of an inference profile under the id that was called; of one that is called by its ARN, some
accounts show the ARN and some its last part. Both are asked for, and the larger one counts.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from manga_enrichment.aws.dynamodb.transactions import chunks
from manga_enrichment.aws.metrics import QUERIES_PER_CALL, metric_errors_explained
from manga_enrichment.domain.operations.service_books import ServiceCounts, ServiceMetric

NAMESPACE = "AWS/Bedrock"
MODEL_DIMENSION = "ModelId"
_PERIOD_SECONDS = 3600
_Wanted = tuple[str, ServiceMetric, str]


class CloudWatchServiceUsage:
    """client: a boto3 CloudWatch client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def by_hour(self, model_ids: Sequence[str], begin: datetime, end: datetime) -> ServiceCounts:
        wanted = [
            (model_id, metric, name) for model_id in model_ids for metric in ServiceMetric for name in _names(model_id)
        ]
        found: dict[tuple[str, ServiceMetric], dict[datetime, int]] = defaultdict(dict)
        for chunk in chunks(wanted, QUERIES_PER_CALL):
            for (model_id, metric, _name), sums in self._sums(chunk, begin, end):
                known = found[model_id, metric]
                known.update({hour: max(value, known.get(hour, 0)) for hour, value in sums.items()})
        return dict(found)

    def _sums(
        self, chunk: Sequence[_Wanted], begin: datetime, end: datetime
    ) -> Iterator[tuple[_Wanted, dict[datetime, int]]]:
        with metric_errors_explained():
            pages = self._client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[_query(number, *each) for number, each in enumerate(chunk)],
                StartTime=begin,
                EndTime=end,
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    values = zip(result["Timestamps"], result["Values"], strict=True)
                    sums = {_hour(moment): round(value) for moment, value in values}
                    yield chunk[int(result["Id"].removeprefix("q"))], sums


def _names(model_id: str) -> tuple[str, ...]:
    return (model_id, model_id.rpartition("/")[2]) if model_id.startswith("arn:") else (model_id,)


def _query(number: int, _model_id: str, metric: ServiceMetric, name: str) -> dict[str, Any]:
    asked = {
        "Namespace": NAMESPACE,
        "MetricName": metric.value,
        "Dimensions": [{"Name": MODEL_DIMENSION, "Value": name}],
    }
    return {"Id": f"q{number}", "MetricStat": {"Metric": asked, "Period": _PERIOD_SECONDS, "Stat": "Sum"}}


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
