"""The sample of a trial: titles drawn from the stored catalog, with all that their prompts need.

Belongs here: which titles can be asked about, reading those that are drawn. Stays out: how a sample is drawn
(`domain/trials/sampling.py`), asking (`asking.py`).

The catalog is read twice, a bucket at a time, and never held: once to draw, once for the titles that were drawn.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate
from manga_enrichment.domain.catalog.records import MangaRecord, bucket_keys, bucket_of
from manga_enrichment.domain.prompts.again import Numbers
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.domain.trials.contenders import TrialError
from manga_enrichment.domain.trials.sampling import StratifiedSample, Stratum, stratum_of
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.again.store import read_presses
from manga_enrichment.pipeline.candidates.tables import read_candidates
from manga_enrichment.pipeline.catalog.reader import read_records

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Title:
    """One that was drawn."""

    record: MangaRecord
    bucket: str
    stratum: Stratum
    candidates: tuple[Candidate, ...] = ()
    numbers: Numbers = field(default_factory=dict)


@dataclass(slots=True)
class Sample:
    """titles: by manga_id. askable: titles of the catalog with enough text for every contender. strangers: ids that
    truth is known of and the catalog does not have."""

    titles: dict[str, Title] = field(default_factory=dict)
    askable: int = 0
    strangers: list[str] = field(default_factory=list)


def draw(
    tables: ObjectStore,
    bucket_count: int,
    analyses: Sequence[AnalysisType],
    *,
    size: int,
    seed: int,
    preferred: Collection[str] = frozenset(),
    excluded: Collection[str] = frozenset(),
    must_know: bool = False,
) -> Sample:
    """analyses: of all contenders. preferred: titles whose truth is known, drawn first. excluded: never drawn.

    Raises TrialError for more titles than there are, and, with must_know, for truth about none of them;
    ConfigurationError without a catalog.
    """
    drawing, known = StratifiedSample(size, seed), set[str]()
    for bucket in bucket_keys(bucket_count):
        for record, candidates in _titles(tables, bucket, analyses):
            is_preferred = record.manga_id in preferred
            if is_preferred:
                known.add(record.manga_id)
            if record.manga_id not in excluded and _is_askable(record, candidates, analyses):
                drawing.offer(record.manga_id, stratum_of(record), is_preferred=is_preferred)
    sample = Sample(askable=drawing.counts.total(), strangers=sorted(set(preferred) - known))
    _check(sample, size, preferred if must_know else ())
    drawn = drawing.drawn()
    for bucket in sorted({bucket_of(manga_id, bucket_count) for manga_id in drawn}):
        presses = read_presses(tables, bucket)
        for record, candidates in _titles(tables, bucket, analyses):
            manga_id = record.manga_id
            if manga_id in drawn:
                sample.titles[manga_id] = Title(record, bucket, drawn[manga_id], candidates, presses.of(manga_id))
    return sample


def _titles(
    tables: ObjectStore, bucket: str, analyses: Sequence[AnalysisType]
) -> Iterator[tuple[MangaRecord, tuple[Candidate, ...]]]:
    lists = read_candidates(tables, bucket) if any(each.needs_candidates for each in analyses) else {}
    return ((record, lists.get(record.manga_id, ())) for record in read_records(tables, bucket))


def _is_askable(record: MangaRecord, candidates: Sequence[Candidate], analyses: Sequence[AnalysisType]) -> bool:
    return all(each.sufficient(title_inputs(each, record, candidates)) is None for each in analyses)


def _check(sample: Sample, size: int, preferred: Collection[str]) -> None:
    if preferred and len(sample.strangers) == len(preferred):
        shown = ", ".join(sample.strangers[:_SHOWN])
        raise TrialError(
            f"The truth is about other titles: of its {len(preferred)} ids none is in the catalog, for example {shown}"
        )
    if size > sample.askable:
        raise TrialError(
            f"{size} titles are more than the {sample.askable} of the catalog that have enough text to be asked about: "
            f"try at most {sample.askable}"
        )
