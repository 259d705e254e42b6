"""Peak memory of the engine at 1,000 and 100,000 titles: it should not grow with their number.

Each size in a process of its own, with a model that answers at once and a ledger that forgets.
"""

import json
import subprocess
import sys
from collections import Counter
from itertools import islice

from benchmarks.report import Row, show
from benchmarks.support import BoundlessBudget, ForgetfulLedger, calls, engine
from benchmarks.window import peak_rss_bytes
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment.runtime.clock import SystemClock

SIZES = (1_000, 100_000)
CONCURRENCY = 64
ANSWER = {"primary_genre": "drama", "genres": [{"genre": "drama", "confidence": 0.8}], "themes": ["family"]}


class InstantModel:
    """The same answer for every title, at once."""

    async def converse(self, call: ModelCall) -> ModelReply:
        return ModelReply("tool_use", ANSWER, Usage(900, 60))

    async def check_reachable(self, _within_seconds: float = 0.0) -> None:
        """It is."""

    async def refresh_credentials(self) -> None:
        """There are none."""

    async def close(self) -> None:
        """Nothing is open."""


def main() -> None:
    """Print the table and the JSON line."""
    rows: list[Row] = []
    for titles in SIZES:
        command = [sys.executable, "-m", "benchmarks.memory", str(titles)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    show("memory", rows)


def measure(titles: int) -> Row:
    """One run in this process."""
    outcomes: Counter[str] = Counter()

    async def run() -> None:
        limiter = RateLimiter(SystemClock(), requests_per_minute=60_000_000)
        name = f"memory-{titles}"
        one = engine(InstantModel(), ForgetfulLedger(), BoundlessBudget(), limiter, CONCURRENCY, name)
        await one.run(islice(calls(name), titles), lambda result: outcomes.update([result.outcome.value]))

    SystemClock().run(run())
    return {"titles": titles, "answered": outcomes["succeeded"], "peak_rss_mb": round(peak_rss_bytes() / 1024**2, 1)}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
    else:
        main()
