"""How often people had a title asked again: numbers that tell a question from the same question before.

Belongs here: which number a question has, and which earlier answers still count. Stays out: where numbers are kept
(`pipeline/again/store.py`), what else a question depends on (`fingerprint.py`).

Of one title each analysis with a table of its own has a number: 0 unless somebody had it asked again. A combined call
is asked under the highest of its parts, so that its answer counts for each of them; an earlier answer of it goes on
counting for the parts that nobody had asked again since.
"""

from collections.abc import Mapping

from manga_enrichment.domain.analyses.base import AnalysisType

Numbers = Mapping[str, int]
"""Of one title, by the name of a single analysis; what is missing is 0."""
NEVER: Numbers = {}


def number_of(analysis: AnalysisType, numbers: Numbers) -> int:
    """Under which the analysis is asked about the title today."""
    return max((numbers.get(name, 0) for name in analysis.parts or (analysis.name,)), default=0)


def numbers_of(analysis: AnalysisType, numbers: Numbers) -> list[int]:
    """Today's, then those of earlier answers that still count for some part, newest first."""
    if not numbers:
        return [0]
    own = [numbers.get(name, 0) for name in analysis.parts or (analysis.name,)]
    return list(range(max(own), min(own) - 1, -1))


def next_number(numbers: Numbers) -> int:
    """Above all that the title was ever asked under, so that no answer from before is taken for the new one."""
    return max(numbers.values(), default=0) + 1
