"""What could be asked about one title, and which of it answers what.

Belongs here: a question of each analysis, today's and earlier ones whose answers still count. Stays out: which of them
is asked (`planner.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate, TitleInputs
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.prompts.again import Numbers, numbers_of
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.pipeline.engine.build_call import Question
from manga_enrichment.pipeline.enrichment.known_questions import question_mark


class Option(Question):
    """One analysis type for one title, and why it can not be asked if so."""

    def __init__(
        self,
        analysis: AnalysisType,
        model: ModelSpec,
        inputs: TitleInputs,
        calibration: Calibration | None,
        numbers: Numbers,
    ) -> None:
        """numbers: of the title."""
        super().__init__(analysis, model, inputs, calibration)
        self.insufficient = analysis.sufficient(inputs)
        self._numbers = numbers

    @property
    def mark(self) -> str:
        return question_mark("" if self.insufficient else self.fingerprint, self.insufficient)

    def fills(self, name: str) -> bool:
        """Whether an answer of this option is one of the analysis `name`, can be had, and was not asked again since."""
        is_one = self.analysis.name == name or name in self.analysis.parts
        return self.insufficient is None and is_one and self.inputs.again >= self._numbers.get(name, 0)


def options_about(
    record: MangaRecord,
    candidates: Sequence[Candidate],
    numbers: Numbers,
    analyses: Iterable[AnalysisType],
    models: Mapping[str, ModelSpec],
    calibrations: Mapping[str, Calibration],
) -> dict[str, Option]:
    """By an analysis' name what is asked today; behind it earlier combined calls that still count for some part."""
    found: dict[str, Option] = {}
    for analysis in analyses:
        inputs = title_inputs(analysis, record, candidates)
        model, calibration = models[analysis.name], calibrations.get(analysis.name)
        for number in numbers_of(analysis, numbers):
            name = f"{analysis.name} {number}" if analysis.name in found else analysis.name
            asked = replace(inputs, again=number) if number else inputs
            found[name] = Option(analysis, model, asked, calibration, numbers)
    return found
