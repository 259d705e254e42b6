"""Where the Dagster UI shows what a page speaks of.

Belongs here: addresses. Stays out: what is behind them (`defs/enrichment/jobs.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

JOB = "nightly_enrichment"
LOCATION = "manga_enrichment"
PARTITION_TAG = "dagster/partition"


@dataclass(frozen=True, slots=True)
class Links:
    """base_url: of the Dagster UI, without a slash at its end."""

    base_url: str

    def run(self, run_id: str) -> str:
        return f"{self.base_url}/runs/{quote(run_id, safe='')}"

    def launchpad(self, analysis: str, bucket: str) -> str:
        """Where a run of one analysis and bucket is launched, filled in; it asks for what is missing.

        The launchpad of a job does not show which assets are chosen, so its configuration says it.
        """
        chosen: Sequence[tuple[str, str]] = (
            ("config", f"# This run asks for what {analysis} lacks in bucket {bucket}, and for nothing else.\n{{}}\n"),
            ("tags[0][key]", PARTITION_TAG),
            ("tags[0][value]", bucket),
            ("assetSelection[0][assetKey][path][0]", analysis),
        )
        return f"{self.base_url}/locations/{LOCATION}/jobs/{JOB}/playground/setup?{urlencode(chosen)}"
