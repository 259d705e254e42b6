"""What an analysis type is: prompt, answer schema, limits, version, table columns.

Belongs here: the contract that every analysis fulfils, and the rules that stand in a module. Stays out: which analyses
there are (`registry.py`), how one is made from its document (`making.py`), how a prompt is sent
(`aws/bedrock/converse.py`).

A prompt has a fixed *system* part (same for every title, so that prompt caching can apply) and a *user*
part that quotes untrusted text inside a delimited block.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.domain.tables.shared_columns import MANGA_ID_COLUMN, PROVENANCE_COLUMNS

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A title the model may name as similar; hint is a short description shown to the model."""

    manga_id: str
    title: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TitleInputs:
    """All that one prompt may depend on.

    fields holds the record's non-empty prompt fields by name (strings or lists of strings).

    again: the number of the question (`domain/prompts/again.py`); no prompt shows it, and only an answer given under it
    counts.
    """

    manga_id: str
    fields: Mapping[str, Any]
    candidates: tuple[Candidate, ...] = ()
    additional_context: str = ""
    again: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What a document cannot say, as `RULES` of the module beside it.

    check       as in `AnalysisType`
    sufficient  what must hold beside the document's [enough]; asked first
    arranged    a row of the table, made from a valid answer, as it is stored
    source      the module's text, put there by whoever reads it: what has changed when one of these does
    """

    check: Callable[[Answer, TitleInputs], list[str]] = lambda _answer, _inputs: []
    sufficient: Callable[[TitleInputs], str | None] = lambda _inputs: None
    arranged: Callable[[dict[str, Any]], dict[str, Any]] = dict
    source: str = ""


NO_RULES = Rules()


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisType:
    """One analysis type. Compared by identity: there is one object per type, in the registry.

    name            as the requirements spell it; also the asset key
    version         prompt version; raise it when an answer given before is no longer good enough
    description     what the model is told that its answer does; part of the question
    about           what its table has, for people
    fields          record fields the prompt shows and the fingerprint depends on, and nothing else
    instructions    the system prompt
    rubric          the part of it that is this analysis's own
    rules           of the module beside its document, as they are part of sufficient, check and to_row
    output_schema   closed JSON Schema (draft-07) of the answer; also the tool's input schema
    max_tokens      output limit of the first try; Bedrock reserves all of it in the quota, so keep it close
    sufficient      None when there is enough to ask about, else the reason in a few words
    judged_by       hash of what that depends on beside the title; "" when nobody knows, so nothing may be remembered
    columns         what the analysis adds to its table; () for one that fills other tables
    to_row          a valid answer as values for those columns
    check           problems a schema cannot see, for example ids outside the candidate list; [] when fine
    mended          a valid answer as it is kept: without what is no reason to refuse it and may not stand in it; batch
                    jobs keep answers as they are
    parts           names of the analyses one answer of this type contains; () for a single one
    request         the line that closes the user part of the prompt
    private         answers are a person's own: no problem with one may quote it, since problems go into logs
    expected_output_tokens  tokens of a typical answer, for estimates before any usage is known
    """

    name: str
    version: str
    description: str
    fields: tuple[str, ...]
    instructions: str
    output_schema: Mapping[str, Any]
    max_tokens: int
    sufficient: Callable[[TitleInputs], str | None]
    columns: tuple[Column, ...] = ()
    to_row: Callable[[Answer], dict[str, Any]] = dict
    check: Callable[[Answer, TitleInputs], list[str]] = lambda _answer, _inputs: []
    mended: Callable[[Answer, TitleInputs], Answer] = lambda answer, _inputs: answer
    model_alias: str = "haiku"
    temperature: float | None = 0.2
    needs_candidates: bool = False
    parts: tuple[str, ...] = ()
    private: bool = False
    rubric: str = ""
    rules: Rules = NO_RULES
    request: str = "Analyse the title above."
    expected_output_tokens: int = 200
    judged_by: str = ""
    about: str = ""

    @property
    def tool_name(self) -> str:
        return f"record_{self.name}"

    @property
    def table_columns(self) -> tuple[Column, ...]:
        """All columns of its table, in order."""
        return (MANGA_ID_COLUMN, *self.columns, *PROVENANCE_COLUMNS)
