"""One way to grade a number: fine, worth a look (WARN), wrong (ERROR)."""

from collections.abc import Mapping
from typing import Any

import dagster as dg


def graded(
    value: float, *, warn_above: float, error_above: float, description: str, metadata: Mapping[str, Any]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=value <= warn_above,
        severity=dg.AssetCheckSeverity.ERROR if value > error_above else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={**metadata, "warn_above": warn_above, "error_above": error_above},
    )
