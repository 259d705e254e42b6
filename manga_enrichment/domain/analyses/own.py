"""A user's own documents on top of the packaged ones: what must hold between them all.

Belongs here: names that are taken, columns that meet in one wide table, what may replace a packaged analysis. Stays
out: what one document may say (`documents.py`), the folder they lie in (`settings/own_analyses.py`).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, Rules
from manga_enrichment.domain.analyses.documents import AnalysisDocumentError, Document, read_document
from manga_enrichment.domain.analyses.registry import AnalysisSet, assembled, packaged_documents, packaged_rules
from manga_enrichment.domain.tables.columns import sql_words
from manga_enrichment.domain.tables.shared_columns import CORRECTED_COLUMN, MANGA_ID_COLUMN, PROVENANCE_COLUMNS

MOST_OWN = 50
_TAKEN_NAMES = frozenset(
    {"catalog", "conversation", "dead_letter_queues", "dead_requests", "manga_catalog", "outcomes"}
    | {"queue_observations", "request_queues", "requests", "requests_objects", "similar_candidates"}
)
_RESTS = "tables, rules and shipped queries rest on what the packaged analysis has"
_TAKEN_BEGINNINGS = ("catalog_", "enriched_", "enrichment_", "partner_")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What documents must fit into. fields: of a title. columns: of the wide table beside those of analyses."""

    fields: Collection[str]
    columns: Collection[str]


def with_own(texts: Mapping[str, str], rules: Mapping[str, Rules], around: Surroundings) -> AnalysisSet:
    """The packaged analyses, and own ones on top: of a packaged one's name in its place, others behind.

    texts: of documents by the names of their files. rules: of the modules beside them, by the names of analyses.
    Raises AnalysisDocumentError with all faults, a sentence each.
    """
    if len(texts) > MOST_OWN:
        raise AnalysisDocumentError(f"there are {len(texts)} documents; at most {MOST_OWN} are taken")
    before = {each.name: each for each in packaged_documents()}
    own = _read(texts, around)
    faults = [f"{each.name}.toml: {fault}" for each in own.values() for fault in _faults(each, before, rules)]
    faults += [f"{name}.py: there is no {name}.toml beside it" for name in rules if name not in own]
    if not faults:
        made = assembled([*{**before, **own}.values()], {**packaged_rules(), **rules})
        faults += _meeting_columns(made.of_titles, own, around.columns)
        faults += [f"{fault}" for each in own.values() for fault in _lost_columns(each, before, made)]
    if faults:
        raise AnalysisDocumentError("\n".join(faults))
    return made


def _read(texts: Mapping[str, str], around: Surroundings) -> dict[str, Document]:
    own, faults = {}, []
    for file, text in sorted(texts.items()):
        try:
            document = read_document(text, file, around.fields)
        except AnalysisDocumentError as error:
            faults.append(str(error))
        else:
            own[document.name] = document
    if faults:
        raise AnalysisDocumentError("\n".join(faults))
    return own


def _faults(own: Document, before: Mapping[str, Document], rules: Mapping[str, Rules]) -> Iterator[str]:
    replaced = before.get(own.name)
    if own.name in _TAKEN_NAMES or own.name.startswith(_TAKEN_BEGINNINGS):
        yield f"name {own.name!r} is that of a table or an asset of ours; choose another"
    if own.name in sql_words():
        yield f"name {own.name!r} is a word of SQL; choose another, for example {own.name}_of_title"
    columns = [own.columns.get(key, {}).get("name", key) for key in own.answer.get("properties", {})]
    for each in columns if not own.on_request else ():
        if each in sql_words():
            yield f'column {each!r} is a word of SQL; give it another name: [columns.{each}] name = "{own.name}_{each}"'
    if own.rules and own.name not in rules and (replaced is None or not replaced.rules):
        yield f"rules = true, and no {own.name}.py is beside it; write one with RULES, or take the line out"
    if not own.rules and own.name in rules:
        yield f"{own.name}.py is beside it and not used; say rules = true, or take the module away"
    if replaced is None:
        if own.parts:
            yield "parts are for the packaged full_enrichment alone; write an answer of its own"
        return
    yield from _replacing_faults(own, replaced)


def _replacing_faults(own: Document, replaced: Document) -> Iterator[str]:
    if own.parts != replaced.parts or own.on_request != replaced.on_request:
        yield "it replaces a packaged analysis, whose parts and on_request must stay as they are"
    if own.version and own.version == replaced.version and own != replaced:
        yield (
            f"version {own.version!r} is that of the packaged text; take the line out, and the version is a hash of "
            "what reaches the model"
        )
    yield from _narrower("answer", replaced.answer, own.answer)


def _narrower(place: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What tables, rules and shipped queries know of a packaged answer must be there still."""
    if before.get("type") != now.get("type"):
        yield f"{place}.type must stay {before.get('type')}: {_RESTS}"
        return
    if unknown := sorted(set(now.get("enum", ())) - set(before.get("enum", now.get("enum", ())))):
        yield f"{place}.enum: take {unknown[0]!r:.60} out: {_RESTS}"
    for name, each in before.get("properties", {}).items():
        if name in now.get("properties", {}):
            yield from _narrower(f"{place}.properties.{name}", each, now["properties"][name])
        else:
            yield f"{place}.properties.{name} is missing: {_RESTS}"
    if "items" in before and "items" in now:
        yield from _narrower(f"{place}.items", before["items"], now["items"])


def _meeting_columns(
    analyses: Mapping[str, AnalysisType], own: Collection[str], catalog: Collection[str]
) -> Iterator[str]:
    owner = dict.fromkeys(
        (*catalog, *(each.name for each in (MANGA_ID_COLUMN, *PROVENANCE_COLUMNS, CORRECTED_COLUMN))), "every title"
    )
    owner |= {f"{name}_answered_at": name for name in analyses}
    for name in sorted(analyses, key=lambda name: name in own):
        for column in analyses[name].columns:
            if column.name in owner:
                yield (
                    f"{name}.toml: column {column.name!r} is one of {owner[column.name]}; give it another name: "
                    f'[columns.<property>] name = "{name}_{column.name}"'
                )
            owner.setdefault(column.name, name)


def _lost_columns(own: Document, before: Mapping[str, Document], made: AnalysisSet) -> Iterator[str]:
    """A column of a packaged analysis keeps its name, since tables are there and questions are asked by it."""
    if own.name not in before or own.name not in made.of_titles:
        return
    kept = {each.name for each in made.of_titles[own.name].columns}
    for key in before[own.name].answer.get("properties", {}):
        name = before[own.name].columns.get(key, {}).get("name", key)
        if name not in kept:
            yield f'{own.name}.toml: column {name!r} is missing; say [columns.{key}] name = "{name}"'
