"""What the first op of a run that asks has done for those that come after it.

Belongs here: keeping it until it is taken. Stays out: asking (`ask.py`), writing (`pipeline/enrichment/write.py`).
"""

from collections.abc import Iterable, Mapping

from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.enrichment.write import WriteReport


class Ahead:
    """Of one run, in the process of its ops: whoever finds nothing here does the work itself."""

    def __init__(self) -> None:
        self._begun: set[str] = set()
        self._asked: dict[str, InvokeReport | Exception] = {}
        self._written: dict[tuple[str, str], WriteReport] = {}

    def begin(self, analyses: Iterable[str]) -> None:
        """They are asked now, so what was written before counts no more."""
        self._begun |= set(analyses)
        self._written.clear()

    def has_begun(self, analysis: str) -> bool:
        return analysis in self._begun

    def keep_asked(self, reports: Mapping[str, InvokeReport | Exception]) -> None:
        self._asked |= reports

    def take_asked(self, analysis: str) -> InvokeReport | None:
        """Once; None when it was not asked since. Raises what its engine raised."""
        found = self._asked.pop(analysis, None)
        if isinstance(found, Exception):
            raise found
        return found

    def keep_written(self, report: WriteReport) -> None:
        self._written[report.analysis, report.bucket] = report

    def take_written(self, analysis: str, bucket: str) -> WriteReport | None:
        """Once; None when it is not written, or was before something was asked again."""
        return self._written.pop((analysis, bucket), None)
