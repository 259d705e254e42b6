"""One way to grade a number: fine, worth a look (WARN), wrong (ERROR).

Belongs here: the two directions of it, the next step. Stays out: what is graded (the checks of each room).

Metadata name thresholds in the sense of the value beside them: `coverage` with `warn_below`, `error_rate` with
`warn_above`. Alerts carry the next step of any check, and the description of a graded one, which is ours alone.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

NEXT_STEP = "next_step"


def graded(
    value: float,
    *,
    warn_above: float,
    error_above: float,
    description: str,
    metadata: Mapping[str, Any],
    next_step: str = "",
    worth_a_look: bool = False,
) -> dg.AssetCheckResult:
    """next_step: shown where the number is not fine. worth_a_look: it is not, whatever it is."""
    passed = value <= warn_above and not worth_a_look
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if value > error_above else dg.AssetCheckSeverity.WARN,
        description=_with(description, "" if passed else next_step),
        metadata={**metadata, "warn_above": warn_above, "error_above": error_above, **_told(passed, next_step)},
    )


def graded_below(
    value: float, *, warn_below: float, description: str, metadata: Mapping[str, Any], next_step: str = ""
) -> dg.AssetCheckResult:
    """For a number that is better the higher it is; it is never an ERROR."""
    passed = value >= warn_below
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=_with(description, "" if passed else next_step),
        metadata={**metadata, "warn_below": warn_below, **_told(passed, next_step)},
    )


def with_next_step(result: dg.AssetCheckResult, next_step: str) -> dg.AssetCheckResult:
    """Where it failed, the description ends with it. Others' texts may stand before it: alerts carry the step alone."""
    if result.passed:
        return result
    metadata = {**(result.metadata or {}), NEXT_STEP: dg.MetadataValue.text(next_step)}
    return result._replace(description=_with(result.description or "", next_step), metadata=metadata)


def is_graded(metadata: Mapping[str, Any]) -> bool:
    """Whether the description has numbers and words of ours alone."""
    return not {"warn_above", "warn_below"}.isdisjoint(metadata)


def next_step_of(metadata: Mapping[str, dg.MetadataValue[Any]]) -> str:
    """ "" where a check names none."""
    return str(metadata[NEXT_STEP].value) if NEXT_STEP in metadata else ""


def _with(description: str, next_step: str) -> str:
    return f"{description}; next step: {next_step}" if next_step else description


def _told(passed: bool, next_step: str) -> dict[str, str]:
    return {} if passed or not next_step else {NEXT_STEP: next_step}
