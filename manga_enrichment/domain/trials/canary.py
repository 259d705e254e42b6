"""A canary: part of the catalog asked under a new prompt or model before the rest is.

Belongs here: which titles are asked, in which state, what a verdict says. Stays out: holding the others back
(`pipeline/enrichment/planner.py`), the tests (`drift.py`), where it is stored (`gateways/status.py`).

It is about one version of an analysis and one model. When a run would ask another, it is over: nothing is held back.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from manga_enrichment.domain.trials.drift import Finding

LEAST_TITLES = 30
"""Answers of a canary: of fewer no test can tell much."""
_PARTS = 10_000


class CanaryState(StrEnum):
    """asking: its titles are asked, others held back. passed: all are asked. failed: no further title is."""

    ASKING = "asking"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Canary:
    """percent: of titles, by hash. most_drift: the largest effect that counts as none. may_drift: columns that are
    meant to change. said: what the check found."""

    analysis: str
    version: str
    model_id: str
    percent: float
    started_at: datetime
    state: CanaryState = CanaryState.ASKING
    most_drift: float = 0.1
    may_drift: tuple[str, ...] = ()
    said: str = ""

    @property
    def identity(self) -> tuple[str, str]:
        return self.version, self.model_id

    def has(self, manga_id: str) -> bool:
        """Whether a title is one of its own."""
        digest = hashlib.blake2b(f"{self.analysis}:{self.version}:{self.model_id}:{manga_id}".encode(), digest_size=8)
        return int.from_bytes(digest.digest(), "big") % _PARTS < self.percent * _PARTS / 100

    def holds_back(self, manga_id: str) -> bool:
        if self.state is CanaryState.PASSED:
            return False
        return self.state is CanaryState.FAILED or not self.has(manga_id)

    @property
    def reason(self) -> str:
        """Why a title is held back."""
        if self.state is CanaryState.FAILED:
            return f"the canary of {self.analysis} failed: {self.said}"
        return f"the canary of {self.analysis} asks {self.percent:g} % of titles first"

    def judged(self, findings: Sequence[Finding]) -> "Canary":
        """Passed, or failed with what differs."""
        drifted = [each for each in findings if each.has_drifted and not self._may_drift(each)]
        said = "; ".join(f"{each.what}: {each.said} ({each.test}, p {each.p_value:.2g})" for each in drifted)
        state = CanaryState.FAILED if drifted else CanaryState.PASSED
        return replace(self, state=state, said=said or "its answers are as those before")

    def _may_drift(self, finding: Finding) -> bool:
        return finding.what.removeprefix("length of ") in self.may_drift
