"""What would be asked about one title today, and what is known of each question: for people who look into one title.

Belongs here: putting a night's own questions together for one title. Stays out: which of them a night asks
(`pipeline/enrichment/planner.py`), showing them (`manga_enrichment/cli/titles`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.records import MangaRecord, bucket_of
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.prompts.again import number_of
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.gateways.ledger import EntryReader
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.again.store import read_presses
from manga_enrichment.pipeline.candidates.tables import read_candidates
from manga_enrichment.pipeline.catalog.reader import read_records
from manga_enrichment.pipeline.engine.build_call import Question
from manga_enrichment.pipeline.enrichment.calibrations import read_calibration


@dataclass(frozen=True, slots=True)
class TitleQuestion:
    """One analysis's question about a title. entry: what the ledger has for exactly this question, None for nothing.

    too_little: why it cannot be asked.
    """

    question: Question
    entry: LedgerEntry | None
    too_little: str | None


def find_title(tables: ObjectStore, manga_id: str, buckets: int) -> MangaRecord | None:
    """As the catalog has it; None where it has no such title."""
    return next(
        (each for each in read_records(tables, bucket_of(manga_id, buckets)) if each.manga_id == manga_id), None
    )


def questions_about(
    record: MangaRecord,
    tables: ObjectStore,
    ledger: EntryReader,
    asked: Mapping[str, tuple[AnalysisType, ModelSpec]],
    buckets: int,
) -> list[TitleQuestion]:
    """A question for each analysis, as a night asks it. asked: analysis and the model that it is asked of, by name."""
    bucket = bucket_of(record.manga_id, buckets)
    candidates = read_candidates(tables, bucket).get(record.manga_id, ())
    numbers = read_presses(tables, bucket).of(record.manga_id)
    questions = []
    for analysis, model in asked.values():
        inputs = title_inputs(analysis, record, candidates, again=number_of(analysis, numbers))
        questions.append(Question(analysis, model, inputs, read_calibration(tables, analysis.name, model.model_id)))
    known = ledger.get_many([each.fingerprint for each in questions])
    return [
        TitleQuestion(each, known.get(each.fingerprint), each.analysis.sufficient(each.inputs)) for each in questions
    ]
