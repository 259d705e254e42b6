"""Rules of a user's own module, which may end with any error: none of them stops a night or loses what was paid for.

Belongs here: what becomes of such an error. Stays out: loading the module (`settings/own_analyses.py`).
"""

from collections.abc import Callable
from typing import Any

from manga_enrichment.domain.analyses.base import Answer, Rules, TitleInputs
from manga_enrichment.domain.errors import ConfigurationError


def guarded(name: str, rules: Rules) -> Rules:
    """name: of the analysis. An answer that cannot be checked does not count, a title that cannot be judged is not
    asked about, each with the error as its reason. A row that cannot be arranged raises ConfigurationError: its answer
    is in the ledger, where the next run finds it.
    """

    def said(function: str, error: Exception) -> str:
        return f"{function} of {name}.py ended with {type(error).__name__}: {error}"

    def check(answer: Answer, inputs: TitleInputs) -> list[str]:
        try:
            return list(rules.check(answer, inputs))
        except Exception as error:  # noqa: BLE001  anybody's code
            return [said("check", error)]

    def sufficient(inputs: TitleInputs) -> str | None:
        try:
            return rules.sufficient(inputs)
        except Exception as error:  # noqa: BLE001
            return said("sufficient", error)

    return Rules(check, sufficient, _arranging(rules.arranged, said), rules.source)


def _arranging(
    arranged: Callable[[dict[str, Any]], dict[str, Any]], said: Callable[[str, Exception], str]
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def arranging(row: dict[str, Any]) -> dict[str, Any]:
        try:
            return arranged(row)
        except Exception as error:
            raise ConfigurationError(f"{said('arranged', error)}; mend it, and the next run writes the row") from error

    return arranging
